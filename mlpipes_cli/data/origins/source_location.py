"""Resolves a ``source:`` entry without reading any data (and without pandas)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.source import FunctionSource, QuerySource
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins import image_files
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers import downloads, opening
from mlpipes_cli.data.readers.resolve import KINDS
from mlpipes_cli.suggest import did_you_mean

Kind = Literal["file", "files", "http", "images", "sklearn", "openml", "s3", "fetched", "dataset"]
AT = ("data", "source")
BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
FETCHED = ("california_housing", "covtype")
SCHEMES = ("dataset", "sklearn", "openml", "s3", "postgres", "http", "https")
_WHERE_TO_GET = {
    "creditcard.csv": "download it from https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud and "
    "save it there, or use `source: openml:1597`",
}


@dataclass(frozen=True)
class SourceLocation:
    """The location of a data source.

    Attributes:
        kind: The kind of source; ``fetched`` is a query, a function, or several sources.
        shown: Its name in messages, without secrets.
        path: The path of a file or of a folder of images.
        name: A data set's name or number, ``bucket/key``, a glob, a folder, an address, or
            ``dataset@version``.
    """

    kind: Kind
    shown: str
    path: Path | None = None
    name: str = ""


def locate(data: Data, base: Path, source: YamlSource) -> SourceLocation:
    """Resolve the ``source:`` entry; a local file has to exist.

    Raises:
        ConfigError: An unknown scheme, data set or file extension, or no such file.
    """
    text = data.source
    if isinstance(text, FunctionSource):
        return SourceLocation("fetched", text.function)
    if isinstance(text, QuerySource):
        return SourceLocation("fetched", shown_query(text))
    if not isinstance(text, str):
        return SourceLocation("fetched", f"{len(text)} sources")
    if data.dataset is not None:
        return SourceLocation("dataset", text, name=str(data.dataset))
    scheme, colon, rest = text.partition(":")
    rest = rest.strip()
    if not colon or "/" in scheme or "." in scheme:
        return _file(text, base, source)
    if scheme == "sklearn":
        known = (*BUNDLED, *FETCHED)
        if rest not in known:
            shown = did_you_mean(rest, known) or f"; use one of {', '.join(known)}"
            raise wrong(source, AT, f"scikit-learn has no data set {rest!r}{shown}")
        return SourceLocation("sklearn", text, name=rest)
    if scheme == "openml":
        if not rest.isdigit():
            raise wrong(source, AT, f"{text!r}: give the number of the data set, such as openml:1597")
        return SourceLocation("openml", text, name=rest)
    if scheme == "s3":
        return _bucket(text, rest, source)
    if scheme in ("http", "https") and rest.startswith("//"):
        return SourceLocation("http", downloads.shown(text), name=text)
    if scheme == "postgres" and rest and not rest.startswith("//"):
        table, query = table_or_query(rest, source)
        return SourceLocation("fetched", shown_query(QuerySource(table=table, query=query)))
    raise wrong(source, AT, _unknown_scheme(text, scheme))


def shown_query(source: QuerySource) -> str:
    """Return the name of a table or a query in messages, without secrets."""
    where = "the project's database" if source.url is None else "the database"
    return f"{source.table} of {where}" if source.table else f"the query of {where}"


def _unknown_scheme(text: str, scheme: str) -> str:
    if scheme in {"postgres", "postgresql", "postgresql+psycopg2"}:
        return "for another database use `source: {table: schema.name, url: $NAME_OF_A_VARIABLE}`"
    if scheme == "ftp":
        return f"{text!r}: download the file and give its path"
    shown = did_you_mean(scheme, SCHEMES) or f"; use a file, or one of {', '.join(f'{s}:' for s in SCHEMES)}"
    return f"unknown kind of source {scheme!r}{shown}"


def _bucket(text: str, rest: str, source: YamlSource) -> SourceLocation:
    bucket, _, key = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not bucket or not key:
        raise wrong(source, AT, f"{text!r}: write s3://bucket/folder/file.csv")
    _check_extension(key, text, source)
    return SourceLocation("s3", text, name=f"{bucket}/{key}")


def table_or_query(rest: str, source: YamlSource, at: Location = AT) -> tuple[str | None, str | None]:
    """Return the table or the query that ``postgres:`` names.

    Raises:
        ConfigError: It is neither.
    """
    if re.match(r"(select|with|table|values)\b|\(", rest, re.IGNORECASE):
        return None, rest
    if not re.fullmatch(r"[^\s.;]+(\.[^\s.;]+)?", rest):
        raise wrong(source, at, f"{rest!r} is neither schema.table nor a select query")
    return rest, None


def _check_extension(name: str, text: str, source: YamlSource) -> None:
    if opening.kind(name) not in KINDS:
        raise wrong(source, AT, f"{text}: unknown kind of file; {', '.join(KINDS)} are supported")


def _file(text: str, base: Path, source: YamlSource) -> SourceLocation:
    path = base / Path(text).expanduser()
    try:
        if path.is_dir():
            if image_files.holds_any(path):
                return SourceLocation("images", text, path=path)
            if any(path.rglob("*.parquet")):
                return SourceLocation("files", text, name=text)
            said = "is a folder without images and Parquet files; give a file, or a folder of them"
            raise wrong(source, AT, f"{text}: {said}")
        if path.exists():
            if not path.is_file():
                raise wrong(source, AT, f"{text}: is not a regular file")
            _check_extension(path.name, text, source)
            return SourceLocation("file", text, path=path)
    except OSError as error:
        raise wrong(source, AT, f"{text}: {(error.strerror or str(error)).lower()}") from None
    if any(mark in text for mark in "*?["):
        return SourceLocation("files", text, name=text)
    if (fix := _WHERE_TO_GET.get(path.name)) is not None:
        raise wrong(source, AT, f"{text}: no such file; {fix}")
    raise wrong(source, AT, f"{text}: no such file{_near(path, base) or f' in {base.absolute()}'}")


def _near(path: Path, base: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if opening.kind(entry.name) in KINDS]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
