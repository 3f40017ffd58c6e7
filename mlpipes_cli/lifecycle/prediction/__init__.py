"""``mlpipes predict``: score a file, through the running API or in this process.

The file is read, scored and written in batches, so memory does not grow with its length (except for a JSON
document, which has to be read whole). The output file is complete or absent.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import model_input, raw_names, readers, writers
from mlpipes_cli.lifecycle.prediction.scorers import RowScorer, offline_scorer, running_scorer
from mlpipes_cli.ports import Reporter, Task
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 8  # the most columns that a message names


@dataclass(frozen=True)
class PredictionResult(Tabular):
    """The result of ``predict``.

    Attributes:
        rows: How many rows were scored.
        model: The registered model's name.
        version: The version that scored.
        alias: The alias under which it is served.
        output: The file that was written, or None.
        predictions: The result as records, if no file was written and none was shown.
        seconds: How long it took.
    """

    rows: int
    model: str
    version: int
    alias: str
    output: str | None
    predictions: list[dict[str, Any]] | None
    seconds: float

    def table(self) -> Sequence[Mapping[str, Any]]:
        if self.predictions is None:
            raise UsageError(
                f"the predictions were written to {self.output}", "read that file, or give no output"
            )
        return self.predictions


def predict(
    project: ProjectFolder,
    file: Path,
    reporter: Reporter,
    *,
    output: Path | None = None,
    offline: bool = False,
    batch_size: int = 500,
    model: str | None = None,
    alias: str | None = None,
    api_key: str | None = None,
    lines: Callable[[str], None] | None = None,
) -> PredictionResult:
    """Score a file through the running API or with the model in this process.

    Args:
        project: The project with the model and the API.
        file: CSV, CSV.gz, Parquet or JSON.
        reporter: Receives progress.
        output: ``.csv``, ``.parquet`` or ``.json``; None gives CSV text to ``lines``.
        offline: Load the model in this process and store no predictions.
        batch_size: Rows in one request or batch.
        model: The registered model; the setting's or the only one if omitted.
        alias: Its alias; the setting's if omitted.
        api_key: The key for an API that requires one.
        lines: Receives CSV text; None keeps the records in the result.

    Raises:
        UsageError: The file cannot be read or has no rows, a column is missing, or a value does not fit.
        MlpipesError: The API does not run, or stopped answering; nothing was written.
    """
    started = time.monotonic()
    readers.check_file(file)
    writer = writers.make_writer(output, lines)
    with contextlib.ExitStack() as stack:
        scorer = stack.enter_context(
            offline_scorer(project, reporter, model, alias)
            if offline
            else running_scorer(project, reporter, model, alias, api_key)
        )
        source = readers.open_table(file, len(scorer.columns), scorer.formats.header)
        if source.rows == 0:
            raise _no_rows(file)
        source = raw_names.renamed(file, source, scorer, reporter)
        _check_columns(file, source.columns, scorer, reporter)
        stack.enter_context(writer)
        task = stack.enter_context(reporter.task(f"scoring {file.name}", source.rows))
        rows = 0
        kinds = readers.kinds_of({column.name: column.type for column in scorer.columns})
        batches = source.batches(batch_size, kinds or None, scorer.formats)
        for part in _scored(batches, scorer, file, task):
            writer.write(part)
            rows += len(part)
        if not rows:
            raise _no_rows(file)
        writer.finish()
    source.tell(reporter)
    return PredictionResult(
        rows=rows,
        model=scorer.model,
        version=scorer.version,
        alias=scorer.alias,
        output=None if output is None else str(output),
        predictions=writer.records,
        seconds=round(time.monotonic() - started, 3),
    )


def _no_rows(file: Path) -> UsageError:
    return UsageError(f"{file}: the table has no rows", "give a table with at least one row")


def _check_columns(file: Path, there: list[str], scorer: RowScorer, reporter: Reporter) -> None:
    """Check that the file has the model's columns; warn of optional ones that it lacks.

    A column that differs from a lacking one only in case, spaces or punctuation is a mistake: it would be
    ignored, and every row scored without its value.
    """
    absent = [column for column in scorer.columns if column.name not in there]
    known = {column.name for column in scorer.columns}
    others = {_letters(name): name for name in there if name not in known}
    similar = [
        (column.name, others[_letters(column.name)]) for column in absent if _letters(column.name) in others
    ]
    missing = [column.name for column in absent if column.required] or [name for name, _ in similar]
    if missing:
        readers.check_names(file)
        word, it = ("column", "it") if len(missing) == 1 else ("columns", "them")
        hint = f"model {scorer.model!r} needs {it}"
        if similar:
            renames = ", ".join(f"{found!r} to {name!r}" for name, found in similar[:_SHOWN])
            hint = f"rename {renames}{', ...' if len(similar) > _SHOWN else ''} in the file"
        raise UsageError(f"{file}: missing {word} {_listed(missing)}", hint)
    if absent:
        reporter.warn(
            f"{file}: no column {_listed([column.name for column in absent])}; every row is scored without"
        )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def _scored(
    batches: Iterator[pd.DataFrame], scorer: RowScorer, file: Path, task: Task
) -> Iterator[pd.DataFrame]:
    """Yield the results in the file's order, with a bounded number of batches in flight."""
    pool = ThreadPoolExecutor(scorer.parallel)
    waiting: deque[Future[pd.DataFrame]] = deque()
    start = 0
    try:
        for batch in batches:
            if not len(batch):
                continue
            kept = model_input.fit(batch, scorer, file, start)
            waiting.append(pool.submit(scorer.score, kept, start))
            start += len(batch)
            if len(waiting) >= 2 * scorer.parallel:
                yield _next(waiting, task)
        while waiting:
            yield _next(waiting, task)
    finally:
        pool.shutdown(cancel_futures=True)


def _next(waiting: deque[Future[pd.DataFrame]], task: Task) -> pd.DataFrame:
    part = waiting.popleft().result()
    task.advance(len(part))
    return part
