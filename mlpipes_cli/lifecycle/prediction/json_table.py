"""Reads a JSON document as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.columns import twice

if TYPE_CHECKING:
    import pandas as pd


def frame(document: Any) -> pd.DataFrame:
    """Return the rows of a document: records, an object of lists, or one that pandas or MLflow writes.

    Raises:
        Uneven: Rows do not have one value for each column.
        ValueError: It is not a table.
    """
    import pandas as pd

    if isinstance(document, dict) and len(document) == 1:
        inner = next(
            (document[key] for key in ("dataframe_records", "dataframe_split") if key in document), None
        )
        document = document if inner is None else inner
    if isinstance(document, dict):
        if {"columns", "data"} <= document.keys() <= {"columns", "data", "index"}:
            _check_split(document)
            return pd.DataFrame(document["data"], columns=document["columns"], dtype=object)
        if document and all(isinstance(value, dict) for value in document.values()):
            return _of_labels(document)
        if document and not any(isinstance(value, list) for value in document.values()):
            return pd.DataFrame([document], dtype=object)
        if not all(isinstance(value, list) for value in document.values()):
            raise ValueError("lists and single values")
        return pd.DataFrame(document, dtype=object)
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise ValueError("no records")
    return pd.DataFrame(document, dtype=object)


def _of_labels(document: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Convert ``{column: {label: value}}``, which ``DataFrame.to_json`` writes by default."""
    import pandas as pd

    labels = list(next(iter(document.values())))
    for name, values in document.items():
        if values.keys() != set(labels):
            raise Uneven(f"column {name!r}: expected the same labels as in the first column")
    columns = {name: [values[label] for label in labels] for name, values in document.items()}
    return pd.DataFrame(columns, dtype=object)


class Uneven(Exception):
    """Rows do not have one value for each column; the text is one line."""


def _check_split(document: dict[str, Any]) -> None:
    from mlpipes_cli.server.requests.tables import check_split

    try:
        check_split(document, first=1)
    except ValueError as error:
        raise Uneven(str(error)) from None
    if repeated := twice([str(name) for name in document["columns"]]):
        raise Uneven(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
