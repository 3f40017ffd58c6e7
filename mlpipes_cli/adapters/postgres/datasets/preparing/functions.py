"""Steps of a user's own function over a pandas frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres.datasets.preparing import frames
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.adapters.postgres.datasets.preparing.stages import Stages
from mlpipes_cli.adapters.postgres.datasets.transactions import transaction
from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.data_sets.dataset_work import Call

if TYPE_CHECKING:
    import pandas as pd


def run(stages: Stages, before: Relation, call: Call, source: YamlSource, at: Location) -> Relation:
    """Return the rows that a function makes of the rows of a stage.

    Once the rows are split it is called for each part alone, so that no row sees those of another part.

    Args:
        stages: Where the rows go.
        before: The rows of a temporary table.
        call: The function; its errors are those of the user already.
        source: The file.
        at: The step.

    Raises:
        MlpipesError: It returns what no table can hold, or different columns for different parts.
    """
    parts = PARTS if before.split else (None,)
    made: list[tuple[str | None, pd.DataFrame, pd.Index]] = []
    for part in parts:
        with transaction(stages.connection, read_only=True) as cursor:
            given = frames.read(cursor, before, part)
        if part is not None and given.empty:
            continue
        index = given.index.copy()
        made.append((part, call(given), index))
    try:
        return _stored(stages, before, made, at)
    except frames.BadFrame as error:
        raise MlpipesError(source.problem(at, f"the function returned a wrong frame: {error}")) from None


def _stored(
    stages: Stages, before: Relation, made: list[tuple[str | None, pd.DataFrame, pd.Index]], at: Location
) -> Relation:
    columns = frames.columns_of(made[0][1], before)
    names = [column.name for column in columns]
    for part, frame, _ in made[1:]:
        if sorted(map(str, frame.columns)) != sorted(names):
            raise frames.BadFrame(f"its columns for the part {part!r} differ from those for {made[0][0]!r}")
        types = {column.name: column.type for column in frames.columns_of(frame[names], before)}
        columns = [
            replace(column, type=_common(column.type, types[column.name], column.name)) for column in columns
        ]
    key = before.key
    if key is not None and any(now not in names for now in key.values()):
        key = None
    after = Relation(before.query, tuple(columns), key, before.split, last=at)
    table = stages.create(after)
    start = max((int(index.max()) for *_, index in made if len(index)), default=0) + 1
    with transaction(stages.connection) as cursor:
        for part, frame, index in made:
            numbers = frames.numbers(frame, index, start)
            start = max(start, max(numbers, default=0) + 1)
            added = [list(numbers)] + ([[part] * len(frame)] if before.split else [])
            frames.write(cursor, table, columns, zip(*frames.values(frame, columns), *added, strict=True))
    stages.drop(stages.made - 1)
    return stages.stored(after, table)


def _common(first: str, second: str, name: str) -> str:
    if first == second:
        return first
    if {first, second} == {"integer", "number"}:
        return "number"
    if {first, second} == {"date", "datetime"}:
        return "datetime"
    raise frames.BadFrame(f"the column {name!r} has the types {first} and {second} in different parts")
