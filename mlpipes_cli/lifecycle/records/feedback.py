"""``mlpipes feedback FILE``: stores ground truth from a table in the database."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.prediction import raw_names, readers
from mlpipes_cli.lifecycle.promotion.actor import user
from mlpipes_cli.lifecycle.records import log_context
from mlpipes_cli.local_files import atomic_files

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.csv_files.csv_stream import Kind
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.ground_truth import Truth
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.server.requests.ground_truth import Expected

_BY_PREDICTION = "prediction_id"
_AT_ONCE = 20_000  # rows in one transaction
_LISTED = 100
_PATIENCE = 300.0  # seconds for that many rows


@dataclass(frozen=True)
class Reported:
    """The result of ``feedback``. The counts of truths are of predictions; an id may have had several.

    Attributes:
        file: The table.
        model: The registered model's name.
        id_column: The column that identifies the predictions.
        value_column: The column with the ground truth.
        rows: How many rows the table has.
        without_value: Rows without a truth, which are skipped.
        stored: Predictions that had no truth before.
        corrected: Predictions whose truth was changed.
        unchanged: Predictions that already had this truth.
        unknown: Rows for which there is no prediction.
        unknown_ids: The first ids of those rows.
        unknown_file: The file with all of those ids, if requested.
        seconds: How long it took.
    """

    file: str
    model: str
    id_column: str
    value_column: str
    rows: int
    without_value: int
    stored: int
    corrected: int
    unchanged: int
    unknown: int
    unknown_ids: tuple[str, ...]
    unknown_file: str | None
    seconds: float

    @property
    def matched(self) -> int:
        """The number of predictions that were found."""
        return self.stored + self.corrected + self.unchanged

    def check(self) -> None:
        """Fail if no row matched a prediction.

        Raises:
            MlpipesError: No row did.
        """
        if self.matched:
            return
        if self.rows == self.without_value:
            raise MlpipesError(f"{self.file}: no row has a value in column {self.value_column!r}")
        raise MlpipesError(
            f"{self.file}: no row matches a stored prediction of model {self.model!r}",
            f"column {self.id_column!r} was used; choose another one with --id-column",
        )


@dataclass(frozen=True)
class _Columns:
    """The columns of the table that are read."""

    id: str
    value: str
    by_prediction: bool


def feedback(
    project: ProjectFolder,
    file: Path,
    reporter: Reporter,
    *,
    id_column: str | None = None,
    value_column: str | None = None,
    model: str | None = None,
    version: int | None = None,
    latest: bool = False,
    unknown: Path | None = None,
) -> Reported:
    """Store ground truth. The whole table is checked before anything is stored.

    Args:
        project: The project.
        file: CSV, CSV.gz, Parquet or JSON.
        reporter: Receives progress.
        id_column: The column with the caller's identifier; if omitted, the model's id column, unless there is
            a column ``prediction_id``.
        value_column: The column with the truth; the target's column, ``value`` or ``truth`` if omitted.
        model: The model of the predictions; the setting's or the only one if omitted.
        version: Only predictions of this version.
        latest: Use only the newest of several predictions for an identifier.
        unknown: The file for identifiers without a prediction.

    Raises:
        UsageError: The table cannot be read, or a row is wrong.
        MlpipesError: The stack is not running, or the database stopped answering.
    """
    from mlpipes_cli.adapters import database_wiring

    started = time.monotonic()
    readers.check_file(file)
    log = log_context.connect(project)
    name = log.model(model)
    expected, details = _expected(log, name, version, reporter)
    formats = Formats.of_model(details)
    table = readers.open_table(file, names=formats.header)
    table = _clean_names(file, table, details, (id_column, value_column), reporter)
    columns = _columns(file, table.columns, id_column, value_column, details)
    truths, names, rows = _read(file, table, columns, expected, formats)
    table.tell(reporter)
    store = database_wiring.make_truth_store(log.endpoints.database_url)
    counts, strangers = [0, 0, 0], []
    source = f"{file.name} ({user()})"
    try:
        with reporter.task(f"recording {file.name}", len(truths)) as task:
            for start in range(0, len(truths), _AT_ONCE):
                part = truths[start : start + _AT_ONCE]
                kept = store.record(
                    part, model=name, version=version, latest=latest, source=source, seconds=_PATIENCE
                )
                found = (kept.stored, kept.corrected, kept.unchanged)
                counts = [a + b for a, b in zip(counts, found, strict=True)]
                strangers += [names[start + n] for n in kept.unknown]
                task.advance(len(part))
    finally:
        store.close()
    if unknown is not None:
        _write(unknown, columns.id, strangers)
    return Reported(
        file=str(file),
        model=name,
        id_column=columns.id,
        value_column=columns.value,
        rows=rows,
        without_value=rows - len(truths),
        stored=counts[0],
        corrected=counts[1],
        unchanged=counts[2],
        unknown=len(strangers),
        unknown_ids=tuple(strangers[:_LISTED]),
        unknown_file=None if unknown is None else str(unknown),
        seconds=round(time.monotonic() - started, 3),
    )


def _expected(
    log: log_context.Log, model: str, version: int | None, reporter: Reporter
) -> tuple[Expected, dict[str, Any]]:
    """Return the form of the truth by the registered versions, and the details of one of them."""
    from mlpipes_cli.server.requests.ground_truth import Expected

    registry = log.registry()
    try:
        facts = [registry.facts(model, version)] if version else []
        if not any(facts):  # no version is named, or it is gone
            published = registry.published(model)
            numbers = sorted(set(published.aliases.values()) if published else ())
            facts = [registry.facts(model, number) for number in numbers]
    except MlpipesError as error:
        reporter.warn(f"{error.reason}: the values were not checked against the model's classes")
        return Expected(), {}
    known = [dict(fact.details) for fact in facts if fact is not None and fact.details]
    return Expected.of(known), known[-1] if known else {}


def _clean_names(
    file: Path,
    table: readers.Table,
    details: dict[str, Any],
    asked: Sequence[str | None],
    reporter: Reporter,
) -> readers.Table:
    """Return the table with the model's names of id and target; a column that is asked for keeps its name."""
    names = {raw: name for raw, name in Formats.of_model(details).renames.items() if raw not in asked}
    wanted = {str(details[key]) for key in ("id", "target") if details.get(key)}
    return raw_names.with_clean_names(file, table, names, wanted, reporter)


def _columns(
    file: Path, there: Sequence[str], identifier: str | None, value: str | None, details: dict[str, Any]
) -> _Columns:
    by_prediction = identifier in (None, _BY_PREDICTION) and _BY_PREDICTION in there
    candidates = [identifier] if identifier else [_BY_PREDICTION, details.get("id"), "id"]
    chosen = _first(file, there, candidates, "--id-column", "identifies the predictions")
    truths = [value] if value else [details.get("target"), "value", "truth"]
    return _Columns(
        chosen, _first(file, there, truths, "--value-column", "contains the truth"), by_prediction
    )


def _first(file: Path, there: Sequence[str], candidates: Sequence[str | None], option: str, what: str) -> str:
    wanted = [name for name in dict.fromkeys(candidates) if name]
    for name in wanted:
        if name in there:
            return name
    readers.check_names(file)
    looked = " or ".join(map(repr, wanted))
    shown = ", ".join(map(repr, there[:12])) + (", ..." if len(there) > 12 else "")
    raise UsageError(f"{file}: no column {looked}, which {what}", f"set {option}; columns: {shown}")


def _read(
    file: Path, table: readers.Table, columns: _Columns, expected: Expected, formats: Formats
) -> tuple[list[Truth], list[str], int]:
    """Return the truths, the identifiers of their predictions, and the number of rows."""
    from mlpipes_cli.ports.ground_truth import Truth
    from mlpipes_cli.server.predictions import jsonb
    from mlpipes_cli.server.requests.ground_truth import TruthMismatch, caller_ids

    truths, names, row = [], [], 0
    kinds = {columns.value: _kind(expected)}
    for identifier, value in _pairs(table.batches(_AT_ONCE, kinds, formats), columns):
        row += 1
        if value is None or value == "":
            continue
        column = columns.value
        try:
            text = jsonb.encode(expected.read(value) if isinstance(value, str) else expected.take(value))
            column = columns.id
            if columns.by_prediction:
                truths.append(Truth(text, str(UUID(identifier))))
            else:
                truths.append(Truth(text, None, caller_ids(identifier)))
        except TruthMismatch as misfit:
            raise UsageError(f"{file}: column {column!r}, row {row}: {misfit}", "correct the row") from None
        except (ValueError, TypeError, AttributeError):
            raise UsageError(
                f"{file}: column {column!r}, row {row}: expected a prediction's UUID", "correct the row"
            ) from None
        names.append(str(identifier))
    return truths, names, row


def _kind(expected: Expected) -> Kind:
    """Return the kind of the column of truths, which decides whether NA is a value there."""
    if expected.task is None or not (expected.classes or expected.task == "regression"):
        return "any"
    if any(isinstance(label, str) for label in expected.classes):
        return "text"
    return "flag" if expected.classes and isinstance(expected.classes[0], bool) else "digits"


def _pairs(batches: Iterator[pd.DataFrame], columns: _Columns) -> Iterator[tuple[Any, Any]]:
    from mlpipes_cli.server.predictions import jsonb

    for batch in batches:
        identifiers, values = (jsonb.plain(batch[name].tolist()) for name in (columns.id, columns.value))
        yield from zip(identifiers, values, strict=True)


def _write(path: Path, column: str, names: Sequence[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([name] for name in (column, *names))
    try:
        atomic_files.write_text(path, text.getvalue(), atomic_files.PRIVATE, keep_mode=True)
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror}); the feedback was stored", "choose another file"
        ) from None
