"""Brings a ``source:`` to inputs: files as they are, all others through a temporary folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from mlpipes_cli.config.source import FunctionSource, QuerySource
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.source_location import BUNDLED, FETCHED, shown_query, table_or_query
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers import resolve
from mlpipes_cli.data.readers.inputs import Input
from mlpipes_cli.data.readers.spool import Spool
from mlpipes_cli.local_files import temporary_folders
from mlpipes_cli.suggest import did_you_mean

Opening = Callable[[], Input]


def _unknown(text: str, scheme: str) -> str:
    if scheme == "dataset":
        return f"{text}: a data set is not made of another; name its table, clean_data.{text[8:]}"
    known = ("http", "https", "s3", "sklearn", "openml", "postgres")
    fix = did_you_mean(scheme, known) or "; for a database use `source: {query: ..., url: $NAME}`"
    return f"unknown kind of source {scheme!r}{fix}"


def query_of(rest: str, source: YamlSource, at: Location) -> QuerySource:
    """Return what ``postgres:`` names: a table of the project's database, or a query.

    Raises:
        ConfigError: It is neither.
    """
    table, query = table_or_query(rest, source, at)
    return QuerySource.model_construct(table=table, query=query, url=None)


@dataclass
class Fetching:
    """The inputs of a data set or an experiment, while the context lasts.

    Attributes:
        told: The value of ``source:``.
        base: The folder of the file; relative paths start there.
        source: The file.
        at: Where it has the value.
        database_url: The project's own database for the read-only role.
        root: The folder that functions are imported from.
        formats: How the source is written, as far as the file says it.
        environ: The environment for ``$NAME`` and the AWS variables.
    """

    told: str | Sequence[str] | QuerySource | FunctionSource
    base: Path
    source: YamlSource
    at: Location
    database_url: str | None
    root: Path
    formats: Formats
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def __enter__(self) -> Fetching:
        self._held = ExitStack()
        self._files: set[Path] = set()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def inputs(self) -> Iterator[tuple[str, Opening]]:
        """Yield each input's name in messages, and what opens it.

        Raises:
            ConfigError: A source does not exist.
            MlpipesError: A server cannot be reached or refuses.
        """
        if isinstance(self.told, FunctionSource):
            from mlpipes_cli.data.readers.kinds import functions

            name = self.told.function
            tables = functions.tables(name, self.root, self.source, (*self.at, "function"))
            yield name, partial(self._spooled, tables, name)
        elif isinstance(self.told, QuerySource):
            yield from self._query(self.told, self.at)
        elif isinstance(self.told, str):
            yield from self._text(self.told, self.at)
        else:
            for position, one in enumerate(self.told):
                yield from self._text(one, (*self.at, position))

    def _query(self, told: QuerySource, at: Location) -> Iterator[tuple[str, Opening]]:
        from mlpipes_cli.data.readers.kinds import queries

        url = queries.address(told, self.source, at, self.database_url, self.environ)
        shown = shown_query(told)
        yield shown, partial(self._spooled, queries.tables(told, url, self.source, at, self.base), shown)

    def _text(self, text: str, at: Location) -> Iterator[tuple[str, Opening]]:
        scheme, colon, rest = text.partition(":")
        if not colon or "/" in scheme or "." in scheme or (self.base / text).exists():
            for path, shown in resolve.files(text, self.base, self.source, at):
                self._check_once(path, shown, at)
                yield shown, partial(resolve.open_file, path, shown, self.formats)
        elif scheme in ("http", "https"):
            from mlpipes_cli.data.readers import downloads

            path = downloads.download(text, self._folder(), self.source, at)
            yield downloads.shown(text), partial(resolve.open_file, path, downloads.shown(text), self.formats)
        elif scheme == "s3":
            yield text, partial(resolve.open_file, self._of_bucket(text, rest, at), text, self.formats)
        elif scheme == "postgres" and not rest.startswith("//"):
            yield from self._query(query_of(rest.strip(), self.source, at), at)
        elif scheme in ("sklearn", "openml"):
            yield text, partial(self._spooled, self._catalog(scheme, rest.strip(), at), text)
        else:
            raise wrong(self.source, at, _unknown(text, scheme))

    def _check_once(self, path: Path, shown: str, at: Location) -> None:
        if (real := path.resolve()) in self._files:
            raise wrong(self.source, at, f"{shown}: is named twice, and its rows would be loaded twice")
        self._files.add(real)

    def _folder(self) -> Path:
        return self._held.enter_context(temporary_folders.folder("mlpipes-download-"))

    def _of_bucket(self, text: str, rest: str, at: Location) -> Path:
        from mlpipes_cli.data.origins import s3
        from mlpipes_cli.data.readers import opening

        bucket, _, key = rest.removeprefix("//").partition("/")
        if not rest.startswith("//") or not bucket or not key.rsplit("/", 1)[-1]:
            raise wrong(self.source, at, f"{text!r}: write s3://bucket/folder/file.csv")
        if opening.kind(key) not in resolve.KINDS:
            raise wrong(self.source, at, f"{text}: unknown kind of file; use {', '.join(resolve.KINDS)}")
        return s3.download(f"{bucket}/{key}", self._folder(), self.source, self.environ, at)

    def _catalog(self, scheme: str, name: str, at: Location) -> Iterator[pa.Table]:
        from mlpipes_cli.data.origins import catalogs
        from mlpipes_cli.data.readers.kinds.functions import table_of

        if scheme == "sklearn":
            known = (*BUNDLED, *FETCHED)
            if name not in known:
                shown = did_you_mean(name, known) or f"; use one of {', '.join(known)}"
                raise wrong(self.source, at, f"scikit-learn has no data set {name!r}{shown}")
            yield table_of(catalogs.load_sklearn(name, self.source, at))
            return
        if not name.isdigit():
            raise wrong(
                self.source, at, f"'openml:{name}': give the number of the data set, such as openml:1597"
            )
        yield table_of(catalogs.load_openml(int(name), self.source, at))

    def _spooled(self, tables: Iterable[pa.Table], shown: str) -> Input:
        spool = Spool()
        self._held.callback(spool.close)
        spool.fill(tables)
        return spool.input(shown)
