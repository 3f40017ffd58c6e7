"""Parse points in time as people and programs write them.

Accepted are dates and times in ISO 8601 (in UTC if they have no offset, as in training) and whole
milliseconds since 1970, as ``DataFrame.to_json`` and JavaScript write them, from 10^11 (March 1973) to 10^13
(2286); as text they have 13 digits. Any other number may be seconds, milliseconds, nanoseconds or a day, and
``01/06/2024`` may be two different days: such values are rejected.

A logged model may contain a copy of this module, so it imports nothing of this package.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}([Tt ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?\s?([Zz]|[+-]\d{2}(:?\d{2})?)?)?"
    r"|\d{8}([Tt]\d{2}(\d{2}(\d{2}([.,]\d+)?)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?)?"
)
DURATION = r"^-?\d+ days?(?: [+-]?\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)?$"
_MILLISECONDS = re.compile(r"\d{13}")
_FINER = re.compile(r"([.,]\d{6})\d+")  # digits finer than microseconds, the unit that reaches year 9999
FROM, TO = 10**11, 10**13  # milliseconds since 1970
_NONE = {"", "nat"}


def read_moments(values: pd.Series) -> tuple[pd.Series, NDArray[np.bool_]]:
    """Return the column as naive datetime64[us] in UTC, and a mask of the values that are invalid.

    A value is invalid if it is neither missing nor a point in time."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _in_utc(pd.Series(values)), np.zeros(len(values), dtype=bool)
    cells = [_cell(value) for value in values.astype(object)]
    wrong = np.array([cell is _WRONG for cell in cells], dtype=bool)
    plain = [None if cell is _WRONG else cell for cell in cells]
    texts = pd.Series([cell if isinstance(cell, str) else None for cell in plain], dtype=object)
    read = _in_utc(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True))
    wrong |= (read.isna() & texts.notna()).to_numpy()
    found = read.to_numpy().copy()
    for at, cell in enumerate(plain):
        if cell is not None and not isinstance(cell, str):
            found[at] = cell
    return pd.Series(found, index=values.index, name=values.name), wrong


_WRONG: Any = ...  # one object wherever a model is loaded, so that both copies of the code use the same one


def _cell(value: Any) -> Any:
    """Return None, an ISO text, a naive datetime64[us] in UTC, or ``_WRONG`` for any other value."""
    import numpy as np
    import pandas as pd

    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _NONE:
            return None
        if _MILLISECONDS.fullmatch(text):
            return _cell(int(text))
        return _FINER.sub(r"\1", text) if ISO.fullmatch(text) else _WRONG
    if isinstance(value, (list, tuple, dict, set, np.ndarray, bytes, bool, np.bool_)):
        return _WRONG
    if value is None or pd.isna(value):
        return None
    if isinstance(value, (datetime.date, np.datetime64)):
        moment = pd.Timestamp(value)
        moment = moment.tz_convert(None) if moment.tzinfo is not None else moment
        return moment.to_datetime64().astype("datetime64[us]")
    number: Any = value
    if isinstance(value, (int, float, np.number)) and FROM <= abs(number) < TO and number == int(number):
        return np.datetime64(int(number), "ms").astype("datetime64[us]")
    return _WRONG


def _in_utc(moments: pd.Series) -> pd.Series:
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return moments.astype("datetime64[us]")
