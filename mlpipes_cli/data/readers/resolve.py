"""From the ``source:`` of a ``dataset.yaml`` to the inputs that it names."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers import opening
from mlpipes_cli.data.readers.unreadable import Unreadable
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.data.readers.inputs import Input

AT: Location = ("source",)
KINDS = (".csv", ".tsv", ".txt", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls")
TEXTS = (".csv", ".tsv", ".txt")
_LINES = (".json", ".jsonl", ".ndjson")
_WILD = "*?["


def files(text: str, base: Path, source: YamlSource, at: Location = AT) -> list[tuple[Path, str]]:
    """Return the files that a path, a glob or a folder names, with their names in messages.

    Raises:
        ConfigError: There is no such file.
    """
    path = base / Path(text).expanduser()
    try:
        if path.is_dir():
            return _of_folder(path, text, source, at)
        if path.exists():
            if not path.is_file():
                raise wrong(source, at, f"{text}: is not a regular file")
            _check_kind(path, text, source, at)
            return [(path, text)]
    except OSError as error:
        raise wrong(source, at, f"{text}: {(error.strerror or str(error)).lower()}") from None
    if any(mark in text for mark in _WILD):
        return _of_glob(path, text, base, source, at)
    raise wrong(source, at, f"{text}: no such file{_near(path)}")


def _of_glob(path: Path, text: str, base: Path, source: YamlSource, at: Location) -> list[tuple[Path, str]]:
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - any folder
    found = [one for one in found if one.is_file()]
    if not found:
        raise wrong(source, at, f"{text}: no file matches")
    names = [(one, _shown(one, base)) for one in found]
    for one, shown in names:
        _check_kind(one, shown, source, at)
    return names


def _of_folder(path: Path, text: str, source: YamlSource, at: Location) -> list[tuple[Path, str]]:
    found = sorted(
        one for one in path.rglob("*.parquet") if one.is_file() and not one.name.startswith(("_", "."))
    )
    if not found:
        raise wrong(source, at, f"{text}: is a folder without Parquet files; give a file or a glob")
    return [(one, f"{text.rstrip('/')}/{one.relative_to(path)}") for one in found]


def _shown(path: Path, base: Path) -> str:
    try:
        return str(path.relative_to(base))
    except ValueError:
        return str(path)


def _check_kind(path: Path, shown: str, source: YamlSource, at: Location) -> None:
    if opening.kind(path.name) not in KINDS:
        raise wrong(
            source,
            at,
            f"{shown}: unknown kind of file; use {', '.join(KINDS)}, and {', '.join(opening.ENDS)} after it",
        )


def _near(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if opening.kind(entry.name) in KINDS]
    except OSError:
        return ""
    return did_you_mean(path.name, names)


def open_file(path: Path, shown: str, formats: Formats) -> Input:
    """Open a file by its extension.

    Raises:
        Unreadable: It is not what its extension says.
        OSError: It cannot be opened.
    """
    kind = opening.kind(path.name)
    if kind in TEXTS:
        from mlpipes_cli.data.readers.kinds.csv_input import CsvInput

        made = CsvInput(path, shown, formats)
        made.names()
        return made
    if kind in _LINES:
        from mlpipes_cli.data.readers.kinds.json_input import JsonInput

        return JsonInput(path, shown, formats.encoding)
    if opening.compression(path.name):
        raise Unreadable(
            f"a {kind} file in a {opening.compression(path.name)} file is not supported; unpack it"
        )
    if kind == ".parquet":
        from mlpipes_cli.data.readers.kinds import arrow_input

        return arrow_input.parquet(path, shown)
    from mlpipes_cli.data.readers.kinds import workbooks

    return workbooks.open_sheet(path, shown, formats.sheet)


def check_same_columns(inputs: Sequence[Input], source: YamlSource, at: Location = AT) -> None:
    """Check that all inputs have the columns of the first; their order may differ.

    Args:
        inputs: The inputs.
        source: The file that names them.
        at: Where it does.

    Raises:
        ConfigError: One has others, or is of another kind.
    """
    first = inputs[0]
    expected = first.names()
    for one in inputs[1:]:
        if one.texts != first.texts:
            raise wrong(source, at, f"{one.shown} and {first.shown} are files of different kinds")
        names = one.names()
        lacks = [name for name in expected if name not in names]
        more = [name for name in names if name not in expected]
        if lacks or more:
            said = [f"it lacks {', '.join(map(repr, lacks[:3]))}"] if lacks else []
            said += [f"it has {', '.join(map(repr, more[:3]))}"] if more else []
            raise wrong(source, at, f"{one.shown}: other columns than {first.shown}: {' and '.join(said)}")
