"""Splits by what the rows say: the parts of a data set's version, or groups that stay together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data.prepared import group_codes
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.rows import hash_values, mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


def by_parts(parts: pd.Series, data: Data, source: YamlSource) -> tuple[Rows, Rows]:
    """Return the positions of the holdout rows, and of the validation rows.

    Raises:
        ConfigError: No row is for training, or none for the holdout.
    """
    at = {name: np.flatnonzero((parts == name).to_numpy()) for name in PARTS}
    for name in ("train", "test"):
        if not len(at[name]):
            raise wrong(
                source, ("data", "source"), f"{data.dataset} has no {name} rows; prepare another version"
            )
    return at["test"], at["validation"]


def by_groups(column: pd.Series, test: float, seed: int, data: Data, source: YamlSource) -> Rows:
    """Return the positions of the holdout: whole groups, drawn until the share of the rows is reached.

    The draw depends on the groups' values and the seed alone, not on the order of the rows.

    Raises:
        ConfigError: There are fewer than two groups.
    """
    codes = group_codes(column)
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise wrong(
            source, ("data", "split", "group"), f"{data.split.group!r} has only one value; groups need two"
        )
    first = np.unique(codes, return_index=True)[1]
    salt = mix(mix(np.array([seed], dtype=np.uint64)))
    order = np.argsort(mix(hash_values(column.iloc[first]) ^ salt), kind="stable")
    total = np.cumsum(sizes[order])
    # The number of groups whose rows together come nearest to the share; one at least stays on each side.
    number = int(np.argmin(np.abs(total - test * len(codes)))) + 1
    held = order[: min(number, len(sizes) - 1)]
    return np.flatnonzero(np.isin(codes, held))
