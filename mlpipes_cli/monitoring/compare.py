"""Compare current rows with a reference: columns by columns, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.monitoring.results import (
    FEWEST_ROWS,
    ColumnCheck,
    Comparison,
    Effect,
    JointCheck,
    Kind,
    Options,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlpipes_cli.monitoring.alarm.hypotheses import Alarm
    from mlpipes_cli.monitoring.alarm.joint import Pairs
    from mlpipes_cli.monitoring.columns.parts import Column

Ranges = Mapping[str, tuple[float | None, float | None]]


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    options: Options,
    *,
    kinds: Mapping[str, Kind] | None = None,
    ranges: Ranges | None = None,
) -> Comparison:
    """Compare two tables of the same columns.

    If nothing changed, that is, if the rows of both tables are independent draws from one population, the
    probability that anything alarms is at most ``options.alpha``, at every number of rows and columns and
    however columns depend on each other: a permutation test over all columns together decides.

    Args:
        reference: Rows as the model knows them.
        current: Rows to compare.
        options: How the check decides.
        kinds: What the values of columns are, by name; of the others their dtype says it.
        ranges: The range of values that training saw, by name, either side None where open; of the others the
            reference says it.

    Raises:
        UsageError: A table has two columns of one name.
    """
    import numpy as np

    reference, current = _named(reference, "the reference"), _named(current, "the current rows")
    ignored = {str(name) for name in options.ignore}
    rng = np.random.default_rng(options.seed)
    known = [name for name in reference.columns if name not in ignored]
    both = [name for name in known if name in current.columns]
    from mlpipes_cli.monitoring.columns.kinds import kind_of
    from mlpipes_cli.monitoring.columns.read import read

    of = {name: (kinds or {}).get(name) or kind_of(reference[name]) for name in known}
    enough = min(len(reference), len(current)) >= FEWEST_ROWS
    columns = [read(name, of[name], reference[name], current[name], rng) for name in both]
    pairs = _pairs(columns, rng) if enough and options.joint else None
    alarm = _tested(columns, len(current), pairs, options, rng) if enough and columns else None
    checks = [
        _check(column, index, alarm, options, (ranges or {}).get(column.name))
        for index, column in enumerate(columns)
    ]
    rows = len(reference), len(current)
    checks += [_absent(name, of[name], rows, enough) for name in known if name not in both]
    checks.sort(key=lambda check: (not check.alarm, -(check.effect or 0.0)))
    checks += [
        _unexpected(name, kind_of(current[name]), len(current))
        for name in current.columns
        if name not in of and name not in ignored
    ]
    joint = _joint(pairs, alarm, options, len(reference), enough, rng) if options.joint else None
    return _comparison(checks, joint, options, rows, enough)


def _named(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return a frame whose column names are texts, each one once."""
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        listed = ", ".join(map(repr, twice))
        raise UsageError(f"{what}: duplicate column names: {listed}", "rename one of them")
    return frame.set_axis(names, axis=1)


def _pairs(columns: Sequence[Column], rng: np.random.Generator) -> Pairs | None:
    from mlpipes_cli.monitoring.alarm.joint import make_pairs

    return make_pairs(columns, rng)


def _tested(
    columns: Sequence[Column], current: int, pairs: Pairs | None, options: Options, rng: np.random.Generator
) -> Alarm:
    from mlpipes_cli.monitoring.alarm.hypotheses import test_columns

    return test_columns(columns, current, pairs, options.alpha, rng)


def _check(
    column: Column,
    index: int,
    alarm: Alarm | None,
    options: Options,
    limits: tuple[float | None, float | None] | None,
) -> ColumnCheck:
    from mlpipes_cli.monitoring.alarm.power import detectable
    from mlpipes_cli.monitoring.columns.quality import quality_of
    from mlpipes_cli.monitoring.columns.shapes import shape_of
    from mlpipes_cli.monitoring.effects import effects_of

    kind: Kind = column.kind  # type: ignore[assignment]
    rows = column.missing.size - column.reference
    quality = tuple(quality_of(column, limits))
    if alarm is None:
        return ColumnCheck(
            column.name, kind, rows, column.reference, None, None, False, False, None,
            quality=quality, note="too few rows", shape=shape_of(column),
        )  # fmt: skip
    effects = tuple(effects_of(column))
    largest = effects[0]
    p = float(alarm.tested.p[index])
    floor = options.floors.get(column.name, options.min_effect)
    seen = detectable(column, alarm.tested.critical, alarm.rows, floor)
    significant = p <= options.alpha
    return ColumnCheck(
        name=column.name,
        kind=kind,
        rows=rows,
        reference_rows=column.reference,
        effect=largest.size,
        p=p,
        significant=significant,
        alarm=significant and largest.size >= floor,
        change=largest.change if largest.size > 0 else None,
        effects=effects,
        detectable=seen[0] if seen else None,
        detectable_words=seen[1] if seen else "",
        quality=quality,
        shape=shape_of(column),
    )


def _absent(name: str, kind: Kind, rows: tuple[int, int], enough: bool) -> ColumnCheck:
    """Return the check of a column that the current rows lack: certain, whatever the other columns say."""
    from mlpipes_cli.monitoring.columns.quality import absent

    reference, current = rows
    effect = Effect("missing", 1.0, None, 1.0, "the column is absent")
    return ColumnCheck(
        name, kind, current, reference, 1.0 if enough else None, 0.0 if enough else None, enough, enough,
        "missing" if enough else None, (effect,) if enough else (), quality=(absent(current),),
        note="" if enough else "too few rows",
    )  # fmt: skip


def _unexpected(name: str, kind: Kind, rows: int) -> ColumnCheck:
    from mlpipes_cli.monitoring.columns.quality import unexpected

    finding = unexpected(rows)
    return ColumnCheck(
        name, kind, rows, 0, None, None, False, False, None, quality=(finding,), note=finding.words
    )


def _joint(
    pairs: Pairs | None,
    alarm: Alarm | None,
    options: Options,
    reference: int,
    enough: bool,
    rng: np.random.Generator,
) -> JointCheck:
    from mlpipes_cli.monitoring.alarm.joint import separability

    if pairs is None or alarm is None:
        return JointCheck(None, None, False, note="too few columns" if enough else "too few rows")
    p = float(alarm.tested.p[-1])
    effect, columns = separability(pairs, reference, rng)
    found = p <= options.alpha and effect >= options.min_effect
    return JointCheck(p, effect, found, tuple(columns) if p <= options.alpha else ())


def _comparison(
    checks: Sequence[ColumnCheck],
    joint: JointCheck | None,
    options: Options,
    rows: tuple[int, int],
    enough: bool,
) -> Comparison:
    from mlpipes_cli.monitoring.wording import too_few, verdict

    alarm = any(check.alarm for check in checks) or (joint is not None and joint.alarm)
    if enough:
        compared = [check for check in checks if check.p is not None]
        hardest = max(compared, key=lambda check: check.detectable or 0.0, default=None)
        seen = hardest.detectable_words if hardest else ""
        words = verdict(compared, joint, seen, len(compared) == 1)
    else:
        words = too_few(rows[1], rows[0], FEWEST_ROWS)
    return Comparison(rows[1], rows[0], options.alpha, alarm, enough, tuple(checks), joint, words)
