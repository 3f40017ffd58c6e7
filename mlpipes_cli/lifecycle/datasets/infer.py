"""``mlpipes data infer``: a first ``dataset.yaml`` from what the rows are like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.source import QuerySource
from mlpipes_cli.config.yaml_source import YamlSource, dump_yaml, parse_yaml
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.datasets import first_file, opening, source_text
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpipes_cli.data.readers.inputs import Input
    from mlpipes_cli.data.readers.reading import Reading
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_TRIES = 3
_FIRST = 10  # rows that are kept


@dataclass(frozen=True)
class Inferred:
    """A first ``dataset.yaml``.

    Attributes:
        dataset: The data set's name.
        rows: The rows that were read.
        columns: The type of each column, by its name in the source.
        yaml: The text.
        output: The file that was written, or None.
    """

    dataset: str
    rows: int
    columns: dict[str, str]
    yaml: str
    output: str | None


@dataclass
class Seen:
    """What a source is like.

    Attributes:
        config: The data set with nothing but its source.
        inputs: What was read.
        reading: How all rows were read, and what the columns are like.
        first: The first ten rows, by column.
        values: The values of the target, in parts.
    """

    config: DatasetConfig
    inputs: list[Input]
    reading: Reading
    first: list[pa.Array] = field(default_factory=list)
    values: list[pa.Array] = field(default_factory=list)

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.config.dataset

    @property
    def rows(self) -> int:
        """The rows that were read."""
        return sum(self.reading.rows)

    def tell(self, reporter: Reporter) -> None:
        """Tell how the source was read, and what is unusual in it."""
        opening.tell(reporter, self.inputs, self.reading, self.config)


def infer(
    source: str,
    folder: Path,
    reporter: Reporter,
    *,
    output: Path | None = None,
    target: str | None = None,
    force: bool = False,
    project: Callable[[], ProjectFolder] | None = None,
    header: bool | None = None,
) -> Inferred:
    """Read a source and describe it as a ``dataset.yaml``.

    Args:
        source: As :func:`source_text.parsed` reads it; a relative path starts at ``folder``.
        folder: The folder.
        reporter: Gets progress, what was understood, and warnings.
        output: Where to write the text.
        target: The column whose values have the same shares in all parts of the split.
        force: Whether to overwrite ``output``.
        project: Finds the project, whose database a query without ``url`` is for.
        header: Whether the first line of a CSV file has names; found out by default.

    Raises:
        UsageError: The source cannot be read, the target is not a column, or ``output`` exists.
        MlpipesError: A query of the project's database, and its stack is not running.
    """
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output}: exists already", "choose another --output, or overwrite it with --force")
    told = source_text.parsed(source, folder)
    with looked_at(told, folder, reporter, target, project=project, header=header) as seen:
        shown = told if output is None else _from(output.parent, folder, told)
        seen.tell(reporter)
        text = first_file.written(seen.dataset, shown, seen.inputs, seen.reading, stratify=target)
    if output is not None:
        _write(output, text, force)
    types = {one.source: one.type for one in seen.reading.plan.columns}
    return Inferred(seen.dataset, seen.rows, types, text, None if output is None else str(output))


@contextmanager
def looked_at(
    source: Any,
    folder: Path,
    reporter: Reporter,
    target: str | None = None,
    yaml: YamlSource | None = None,
    project: Callable[[], ProjectFolder] | None = None,
    header: bool | None = None,
) -> Iterator[Seen]:
    """Yield what a source is like, after all its rows were read.

    Args:
        source: As ``source:`` takes it; a relative path starts at ``folder``.
        folder: The folder.
        reporter: Gets progress.
        target: A column, whose values are kept.
        yaml: Says where a mistake is.
        project: Finds the project, whose database a query without ``url`` is for.
        header: Whether the first line of a CSV file has names; found out by default.

    Raises:
        UsageError: The source cannot be read, or the target is not a column.
    """
    yaml = parse_yaml(dump_yaml({"source": source}), "SOURCE") if yaml is None else yaml
    config = _config(source, yaml, header)
    with opening.opened(config, folder, yaml, _reader_url(config, project), folder) as inputs:
        if target is not None and target not in inputs[0].names():
            raise UsageError(f"no column {target!r}{did_you_mean(target, inputs[0].names())}", "see --target")
        with opening.as_problems(yaml), reporter.task(f"reading {inputs[0].shown}"):
            seen = _read(inputs, config, target)
        yield seen


def _config(source: Any, yaml: YamlSource, header: bool | None) -> DatasetConfig:
    told = {"dataset": source_text.dataset(source), "source": source}
    told |= {} if header is None else {"header": header}
    return validate(DatasetConfig, YamlSource(yaml.name, told, yaml.lines))


def _reader_url(config: DatasetConfig, project: Callable[[], ProjectFolder] | None) -> str | None:
    """Return the URL of the project's database for reading, if the source is a query of it."""
    if project is None or not isinstance(config.source, QuerySource) or config.source.url is not None:
        return None
    from mlpipes_cli.adapters import wiring

    return wiring.make_runtime(project()).endpoints().reader_url


def _read(inputs: list[Input], config: DatasetConfig, target: str | None) -> Seen:
    from mlpipes_cli.data.readers.plan import Deviates
    from mlpipes_cli.data.readers.planning import Declared
    from mlpipes_cli.data.readers.reading import Reading
    from mlpipes_cli.data.readers.unreadable import Unreadable

    found = {name: Declared(name) for name in inputs[0].names()}
    reading = Reading(inputs, found, opening.formats(config), keep_bad=True)
    reading.whole_plan()
    seen = Seen(config, inputs, reading)
    at = None if target is None else list(found).index(target)
    for _ in range(len(found) + _TRIES):
        seen.first, seen.values = [], []
        try:
            for batch in reading.batches():
                seen.first = seen.first or [column[:_FIRST] for column in batch if len(column)]
                if at is not None:
                    seen.values.append(batch[at])
            break
        except Deviates as error:
            reading.deviated(error)
    if not seen.rows:
        raise Unreadable(f"{inputs[0].shown} has no rows")
    return seen


def _from(there: Path, base: Path, source: Any) -> Any:
    """Return a path as it reads from another folder; an address, a query and a function stay as they are."""
    if isinstance(source, list):
        return [_from(there, base, one) for one in source]
    if not isinstance(source, str):
        return source
    if "://" in source or (":" in source and not (base / source).exists()):
        return source
    path = Path(source).expanduser()
    return str(path) if path.is_absolute() else os.path.relpath(base.absolute() / path, there.absolute())


def _write(path: Path, text: str, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: exists already", "choose another --output") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "choose another --output") from None
