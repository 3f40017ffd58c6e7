"""Reads all rows of some inputs at once, as training does."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.readers import convert
from mlpipes_cli.data.readers.inputs import Input
from mlpipes_cli.data.readers.plan import Deviates
from mlpipes_cli.data.readers.planning import Declared
from mlpipes_cli.data.readers.reading import Reading


def whole(inputs: Sequence[Input], formats: Formats) -> tuple[pa.Table, list[str]]:
    """Return all rows of some inputs with the inferred types, and what is wrong with records.

    Raises:
        Unreadable: An input cannot be read.
    """
    declared = {name: Declared(name) for name in inputs[0].names()}
    reading = Reading(inputs, declared, formats, keep_infinite=True)
    reading.whole_plan()
    while True:
        try:
            batches = list(reading.batches())
            break
        except Deviates as error:
            reading.deviated(error)
    columns = reading.plan.columns
    schema = pa.schema([(one.name, convert.ARROW_TYPES[one.type]) for one in columns])
    made = [pa.RecordBatch.from_arrays(batch, schema=schema) for batch in batches]
    return pa.Table.from_batches(made, schema), reading.problems()
