"""Gives rows of a database an order that does not depend on where the server keeps them.

A table has no order of its own, so its rows are sorted by their hashes: the split then depends on the content
of the rows. A query with ``order by`` keeps its order.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from mlpipes_cli.config.source import QuerySource
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.rows import hash_rows


def by_content(frame: pd.DataFrame, source: str | QuerySource) -> pd.DataFrame:
    """Return the rows of a table or a query in the order of their hashes, or in that of the query.

    Args:
        frame: The rows; an index from 0.
        source: The table or the query; a text is ``postgres:`` with either.
    """
    query = source if isinstance(source, str) else source.query
    if query is not None and re.search(r"\border\s+by\b", query, re.IGNORECASE):
        return frame
    plain = pd.DataFrame({name: canonical(frame[name]) for name in frame.columns})
    order = np.argsort(hash_rows(plain, list(plain.columns)), kind="stable")
    return frame.iloc[order].reset_index(drop=True)
