"""Detects numbers with a percent or currency sign, such as ``1 234,5 EUR``, which stay text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpipes_cli.data import column_types
from mlpipes_cli.data.csv_files import numbers
from mlpipes_cli.data.csv_files.read_warnings import Remark

_LOOKED_AT = 1000  # values that are sampled from a column first
_NUMBER = "[0-9](?:[0-9.,'\u2019 \u00a0\u2009\u202f]*[0-9])?"
_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|TRY|RUB|KRW|SGD|HKD|US[$]|Rs"
)
_MONEY = rf"(?i:\p{{Sc}}|{_CODES})"
_SPACE = "[ \u00a0\u2009\u202f]?"
SIGNED = rf"^(?:[+-]?{_MONEY}{_SPACE}[+-]?{_NUMBER}|[+-]?{_SPACE}{_NUMBER}{_SPACE}(?:{_MONEY}|%|\x{{2030}}))$"


def remark(values: pd.Series) -> Remark | None:
    """Return a warning if nearly all values of a text column are numbers, some of them with a sign."""
    present = values.dropna()
    if not _share(present.iloc[:: max(len(present) // _LOOKED_AT, 1)])[0]:
        return None
    found, fits, rest = _share(values)
    if not found or fits < numbers.MOST * rest:
        return None
    name, row = str(values.name), int(np.argmax(_signed(values)))
    return Remark(
        f"{fits} of {rest} values are numbers, {found} of them with a sign, such as {values.iloc[row]!r}, so "
        "the column stays text; numbers have to be written without it in the source; if text is right, "
        f"`types: {{{name}: text}}`",
        name,
        row,
        warning=True,
    )


def _share(values: pd.Series) -> tuple[int, int, int]:
    """Count the values that are numbers with a sign, numbers of any kind, and not placeholders."""
    texts = column_types.trimmed(column_types.texts_of(values))
    signed = numbers.matches(texts, SIGNED)
    bare = numbers.matches(texts, numbers.LOOKS_LIKE_ONE)
    return int(signed.sum()), int((signed | bare).sum()), int((~column_types.hollow(texts)).sum())


def _signed(values: pd.Series) -> np.ndarray:
    return numbers.matches(column_types.trimmed(column_types.texts_of(values)), SIGNED)
