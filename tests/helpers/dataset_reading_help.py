"""Reads the source of a ``dataset.yaml`` as ``data load`` does, without a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.data.readers.plan import Deviates
from mlpipes_cli.data.readers.reading import Reading
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.datasets import columns, opening


def read(folder: Path, settings: str) -> tuple[dict[str, list[Any]], Reading]:
    """The values of each column as they get into the table, and the reading.

    Raises:
        ConfigError: A bad row in a file whose bad rows are refused, or what else is wrong.
    """
    path = folder / "dataset.yaml"
    path.write_text(f"dataset: t\n{settings}")
    config, source = load_dataset(path, "dataset.yaml")
    with opening.opened(config, folder, source, None, folder) as inputs, opening.as_problems(source):
        found = columns.declared(config, inputs[0].names(), source)
        aside = config.load.on_bad_rows == "set_aside"
        reading = Reading(inputs, found, opening.formats(config), aside)
        reading.first_plan()
        while True:
            try:
                batches = list(reading.batches())
                break
            except Deviates as error:
                reading.deviated(error)
        if reading.set_aside and not aside:
            raise ConfigError(reading.problems())
        made: dict[str, list[Any]] = {one.name: [] for one in reading.plan.columns}
        for batch in batches:
            for one, column in zip(reading.plan.columns, batch, strict=True):
                made[one.name] += column.to_pylist()
    return made, reading
