"""Opens the source of a data set, and tells how it was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import YamlSource, dump_flow
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers.unreadable import Unreadable
from mlpipes_cli.errors import ConfigError

if TYPE_CHECKING:
    from mlpipes_cli.data.readers.inputs import Input
    from mlpipes_cli.data.readers.reading import Reading
    from mlpipes_cli.ports import Reporter

_SHOWN = 5  # columns in a line
_TABS = {"\t": "tab"}


def formats(config: DatasetConfig) -> Formats:
    """Return how the source is written, as far as ``dataset.yaml`` says it."""
    return Formats(
        separator=config.separator,
        quote=config.quote,
        encoding=config.encoding,
        sheet=config.sheet,
        decimal=config.decimal,
        thousands=config.thousands,
        missing=config.missing,
        header=config.header,
    )


@contextmanager
def opened(
    config: DatasetConfig, base: Path, source: YamlSource, database_url: str | None, root: Path
) -> Iterator[list[Input]]:
    """Yield the inputs of a data set's source, which have the same columns.

    Args:
        config: The data set.
        base: The folder of ``dataset.yaml``; relative paths start there.
        source: The file.
        database_url: The project's own database for the read-only role.
        root: The folder that functions are imported from: the project's.

    Raises:
        ConfigError: The source does not exist or cannot be read.
        MlpipesError: A server cannot be reached or refuses.
    """
    from mlpipes_cli.data.readers import resolve
    from mlpipes_cli.data.readers.fetching import Fetching

    fetching = Fetching(config.source, base, source, ("source",), database_url, root, formats(config))
    with fetching:
        inputs = []
        for shown, opening in fetching.inputs():
            with as_problems(source, shown):
                inputs.append(opening())
                inputs[-1].names()
        resolve.check_same_columns(inputs, source)
        yield inputs


@contextmanager
def as_problems(source: YamlSource, shown: str = "") -> Iterator[None]:
    """Turn what is wrong with a source into a line about ``source:`` of the file.

    Raises:
        ConfigError: In place of the other errors.
    """
    from mlpipes_cli.data.readers.planning import UnclearDates
    from mlpipes_cli.data.readers.reading import MOST_BAD, TooManyBadRows

    try:
        yield
    except Unreadable as error:
        raise wrong(source, ("source",), error.of(shown) if shown else str(error)) from None
    except UnclearDates as error:
        raise ConfigError([source.problem(("columns", error.column), str(error))]) from None
    except TooManyBadRows:
        said = f"more than {MOST_BAD:,} rows cannot be read; check `separator`, `decimal` and the types"
        raise wrong(source, ("source",), said) from None
    except OSError as error:
        raise wrong(source, ("source",), f"{shown or error.filename}: {error.strerror or error}") from None


def way_out(config: DatasetConfig, reading: Reading) -> str:
    """Return what loads a source with bad rows: a word that means a missing value, or the other rows."""
    aside = "`load: {on_bad_rows: set_aside}` loads the other rows"
    if not (word := reading.bad_word) or word in config.missing:
        return aside
    line = dump_flow({"missing": [*config.missing, word]})[1:-1]
    return f"if {word!r} means a missing value, add `{line}`; {aside}"


def understood(inputs: Sequence[Input], reading: Reading) -> dict[str, Any]:
    """Return what reading has found on how the source is written."""
    from mlpipes_cli.data.readers.kinds.csv_input import CsvInput

    found: dict[str, Any] = {}
    first = inputs[0]
    if isinstance(first, CsvInput):
        style = reading.styles[0].style
        found |= {"separator": first.separator, "encoding": first.encoding, "decimal": style.decimal}
        if style.thousands:
            found["thousands"] = style.thousands
        if not first.file.header.in_file:
            found["header"] = list(first.file.header.columns)
    dates = {one.name: one.pattern for one in reading.plan.columns if one.pattern and "%" in one.pattern}
    words = list(reading.plan.missing)
    return found | ({"dates": dates} if dates else {}) | ({"missing": words} if words else {})


def tell(reporter: Reporter, inputs: Sequence[Input], reading: Reading, config: DatasetConfig) -> None:
    """Tell how the source was read, and what is unusual in it."""
    from mlpipes_cli.data.readers.kinds.csv_input import CsvInput

    shown = inputs[0].shown if len(inputs) == 1 else f"{len(inputs)} files"
    found = understood(inputs, reading)
    if "separator" in found:
        decimal = (
            ""
            if found["decimal"] == "." and "thousands" not in found
            else f", {reading.styles[0].style.words}"
        )
        mark = _TABS.get(found["separator"], repr(found["separator"]))
        reporter.info(f"{shown}: separator {mark}, encoding {found['encoding']}{decimal}")
        if found["encoding"] == "cp1252" and config.encoding is None:
            reporter.warn(
                f"{shown}: is not UTF-8 and is read as cp1252, a guess;"
                " set `encoding` if letters come out wrong"
            )
        if "header" in found:
            reporter.info(f"{shown}: line 1 is read as a row; columns: {_names(found['header'])}")
        for at, style in reading.styles.items():
            if not style.sure:
                reporter.warn(
                    f"{inputs[at].shown}: {style.example!r} is read with {style.style.words}, which the file"
                    " does not confirm; `decimal` and `thousands` settle it"
                )
        for one in inputs:
            if isinstance(one, CsvInput) and one.file.header.warning:
                reporter.warn(f"{one.shown}: {one.file.header.warning}")
    for name, pattern in found.get("dates", {}).items():
        reporter.info(f"{shown}: column {name!r}: dates written as {pattern}")
    for word, names in reading.words.items():
        reporter.info(f"{shown}: {word!r} is read as a missing value: {_names(names)}")
    for text in reading.noted.flag_lines():
        reporter.info(f"{shown}: {text}")
    for text in reading.noted.lines(inputs):
        reporter.warn(text)
    if reading.set_aside:
        first = next(iter(reading.problems()))
        reporter.warn(f"{first}; {reading.set_aside} such rows in all")
    types: dict[str, list[str]] = {}
    for column in reading.plan.columns:
        types.setdefault(column.type, []).append(column.name)
    for kind, names in types.items():
        reporter.info(f"{shown}: {kind}: {_names(names)}")
    for column in reading.plan.columns:
        if column.why:
            reporter.warn(f"{shown}: column {column.source!r}: {column.why}")
    for text in unusual(reading):
        reporter.warn(f"{shown}: {text}")


def unusual(reading: Reading) -> list[str]:
    """Return lines on columns that are constant, empty, or different in every row."""
    found: dict[str, list[str]] = {}
    for name, facts in reading.facts.items():
        if facts.rows and facts.missing == facts.rows:
            found.setdefault("no value in any row", []).append(name)
        elif facts.constant:
            found.setdefault("the same value in every row", []).append(name)
        elif facts.unique:
            found.setdefault("another value in every row, as identifiers have", []).append(name)
    return [f"{what}: {_names(names)}" for what, names in found.items()]


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (
        f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    )
