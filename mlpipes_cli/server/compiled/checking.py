"""Check that a compiled predictor gives the model's own answers on the holdout's rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.server.compiled.base import Compiled, CompiledColumn, CompiledScores, Details
from mlpipes_cli.server.compiled.sample import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-9  # of a score, and of a predicted number relative to its size if that is over 1
SECONDS = 1.0  # after this time no further chunk is started
CHUNK = 500  # rows; this many are checked however long it takes
ALONE = 20  # rows that are also predicted one at a time
PROBED = 64  # rows that are changed into rows that a holdout rarely has

Plain = Callable[[pd.DataFrame], CompiledScores]
_DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}


def check(
    compiled: Compiled,
    native: Any,
    sample: Sample,
    columns: Sequence[CompiledColumn],
    details: Details,
    seconds: float = SECONDS,
) -> str | None:
    """Compare a compiled predictor with the model itself.

    All rows of the sample are predicted, in chunks, until that many seconds have passed (500 rows at least);
    then rows one at a time, and rows with missing values, unknown texts and extreme numbers. If the model
    rejects rows, the compiled predictor must reject them too.

    Returns:
        None if labels are equal and numbers differ by at most 1e-9, else the difference in one line.
    """
    try:
        frame = _frame(sample.frame, columns)
        plain = _plain(native, details)
        started = time.perf_counter()
        for at in range(0, len(frame), CHUNK):
            if at and time.perf_counter() - started > seconds:
                break
            part = frame.iloc[at : at + CHUNK]
            if wrong := _differs(compiled(_rows(part, columns)), plain(part)):
                return f"rows {at} to {at + len(part) - 1} of the sample: {wrong}"
        few = frame.head(ALONE)
        together = plain(few)
        for at, row in enumerate(_rows(few, columns)):
            scores = None if together.scores is None else together.scores[at : at + 1]
            if wrong := _differs(compiled([row]), CompiledScores(together.predictions[at : at + 1], scores)):
                return f"row {at} of the sample alone: {wrong}"
        for name, changed in _probes(frame.head(PROBED), columns):
            if wrong := _probe(compiled, plain, changed, columns):
                return f"rows with {name}: {wrong}"
    except Exception as error:  # noqa: BLE001  after any error the regular path has to answer
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None


def sample_rows(sample: Sample, columns: Sequence[CompiledColumn], count: int) -> list[tuple[Any, ...]]:
    """Return the sample's first rows in the form that a compiled predictor takes."""
    return _rows(_frame(sample.frame.head(count), columns), columns)


def _frame(frame: pd.DataFrame, columns: Sequence[CompiledColumn]) -> pd.DataFrame:
    chosen = frame[[column.name for column in columns]]
    kinds = {column.name: "double" if _numbered(column) else column.type for column in columns}
    cast = {
        name: _DTYPES[kind]
        for name, kind in kinds.items()
        if kind in _DTYPES and (kind == "double" or not chosen[name].hasnans)
    }
    return chosen.astype({name: kind for name, kind in cast.items() if chosen[name].dtype != kind})


def _numbered(column: CompiledColumn) -> bool:
    """Return whether a column is a boolean that the model gets as a number."""
    return column.type == "boolean" and getattr(column, "signed", None) == "double"


def _rows(frame: pd.DataFrame, columns: Sequence[CompiledColumn]) -> list[tuple[Any, ...]]:
    """Return the rows as JSON parsing returns them."""
    parts = []
    for column in columns:
        values = frame[column.name]
        plain = (
            values.astype(object).where(values.notna(), None).tolist() if values.hasnans else values.tolist()
        )
        parts.append(plain)
    return list(zip(*parts, strict=True))


def _plain(native: Any, details: Details) -> Plain:
    prepare = native[:-1] if isinstance(native, Pipeline) else None
    last = native[-1] if isinstance(native, Pipeline) else native
    reader = ScoreReader.of(last, details)

    def answer(frame: pd.DataFrame) -> CompiledScores:
        prepared = frame if prepare is None else prepare.transform(frame)
        predictions = np.asarray(last.predict(prepared)).tolist()
        return CompiledScores(predictions, reader.read(prepared) if reader else None)

    return answer


def _differs(found: CompiledScores, wanted: CompiledScores) -> str | None:
    if len(found.predictions) != len(wanted.predictions):
        return f"{len(found.predictions)} predictions, not {len(wanted.predictions)}"
    if any(isinstance(value, float) for value in wanted.predictions):
        if wrong := _far(found.predictions, wanted.predictions):
            return f"the predictions {wrong}"
    else:
        pairs = zip(found.predictions, wanted.predictions, strict=True)
        wrong_labels = sum(type(a) is not type(b) or a != b for a, b in pairs)
        if wrong_labels:
            return f"{wrong_labels} labels are not the model's"
    if (found.scores is None) != (wanted.scores is None):
        return "scores are present in one answer only"
    if found.scores is not None and (wrong := _far(found.scores, wanted.scores)):
        return f"the scores {wrong}"
    return None


def _far(found: Any, wanted: Any) -> str | None:
    compiled: NDArray[np.float64] = np.asarray(found, dtype=np.float64)
    native: NDArray[np.float64] = np.asarray(wanted, dtype=np.float64)
    if compiled.shape != native.shape:
        return f"have the shape {compiled.shape}, not {native.shape}"
    same = (compiled == native) | (np.isnan(compiled) & np.isnan(native))
    with np.errstate(invalid="ignore"):
        off = np.abs(compiled - native) / np.maximum(1.0, np.abs(native))
    off[same] = 0.0
    worst = float(np.max(off, initial=0.0))
    return None if worst <= TOLERANCE else f"are off by up to {worst:.3g}"


def _probes(frame: pd.DataFrame, columns: Sequence[CompiledColumn]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows with one of their values changed, in a different column for each row."""
    numeric = [column.name for column in columns if column.type == "double"]
    texts = [column.name for column in columns if column.type == "string"]
    truths = [column.name for column in columns if _numbered(column)]
    for name, values, among in (
        ("missing numbers", [np.nan], numeric),
        ("extreme numbers", [1e300, -1e300, 1e20, -0.0, 5e-324], numeric),
        ("infinite numbers", [np.inf, -np.inf], numeric),
        ("missing truths", [np.nan], truths),
        ("missing texts", [None], texts),
        ("unknown texts", ["mlpipes: never seen", " ", "1e5", "2026-02-29"], texts),
    ):
        if among:
            changed = frame.copy()
            for at, column in enumerate(among):
                rows = range(at, len(frame), len(among))
                if len(rows):
                    taken = [values[row // len(among) % len(values)] for row in rows]
                    cells = changed[column].tolist()
                    cells[at :: len(among)] = taken
                    changed[column] = pd.Series(cells, index=changed.index, dtype=changed[column].dtype)
            yield name, changed


def _probe(
    compiled: Compiled, plain: Plain, frame: pd.DataFrame, columns: Sequence[CompiledColumn]
) -> str | None:
    rows = _rows(frame, columns)
    try:
        wanted = plain(frame)
    except Exception:  # noqa: BLE001  a model may refuse such rows with anything
        try:
            compiled(rows)
        except Exception:  # noqa: BLE001
            return None
        return "an answer where the model raises an error"
    return _differs(compiled(rows), wanted)
