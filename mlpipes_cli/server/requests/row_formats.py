"""Convert the usual JSON shapes of rows to those of MLflow's protocol.

These are the shapes of pandas: ``to_dict`` and ``to_json`` with ``records``, ``list``, ``split``, ``tight``,
``index``, ``dict`` (their default) and ``values``; and a single record. MLflow's own four pass unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpipes_cli.server.http.api_error import bad_request
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.requests.validation import kind_of

_MLFLOWS = {"dataframe_split", "dataframe_records", "instances", "inputs"}
_SPLIT = {"columns", "data", "index", "index_names", "column_names"}


def as_dataframe(document: Any, model: ServedModel) -> dict[str, Any]:
    """Return a document of any of these shapes as ``dataframe_records`` or ``dataframe_split``.

    Raises:
        ApiError: The document has none of the shapes.
    """
    features = model.features
    if isinstance(document, list):
        return _of_list(document, [column.name for column in model.columns])
    if not isinstance(document, dict):
        found = kind_of(document)
        raise bad_request(f"expected a record, a list of records or an object of lists, got {found}")
    if _MLFLOWS & document.keys() and not document.keys() & features:
        return document
    if {"columns", "data"} <= document.keys() <= _SPLIT and not document.keys() & features:
        return {"dataframe_split": {"columns": document["columns"], "data": document["data"]}}
    if document and all(isinstance(value, dict) for value in document.values()):
        return _of_objects(document, features)
    return _of_columns(document)


def _of_list(rows: list[Any], names: Sequence[str]) -> dict[str, Any]:
    lists = rows and names and all(isinstance(row, list) for row in rows)
    if lists:
        for position, row in enumerate(rows):
            if len(row) != len(names):
                expected = f"expected {_many(len(names), 'value')}, one for each column of the model"
                raise bad_request(f"row {position}: {expected} in its order, got {len(row)}")
        return {"dataframe_split": {"columns": list(names), "data": rows}}
    for position, record in enumerate(rows):
        if not isinstance(record, dict):
            raise bad_request(f"row {position}: expected a record (a JSON object), got {kind_of(record)}")
    return {"dataframe_records": rows}


def _of_objects(document: dict[str, Any], features: frozenset[str]) -> dict[str, Any]:
    """Convert ``{column: {index: value}}``, or ``{index: {column: value}}``."""
    if not document.keys() & features and any(value.keys() & features for value in document.values()):
        return {"dataframe_records": list(document.values())}
    first = next(iter(document))
    index = list(document[first])
    for name, values in document.items():
        if values.keys() != document[first].keys():
            raise bad_request(f"column {name!r}: expected the same index as in column {first!r}")
    rows = [[values[at] for values in document.values()] for at in index]
    return {"dataframe_split": {"columns": list(document), "data": rows}}


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _of_columns(document: dict[str, Any]) -> dict[str, Any]:
    lists = [name for name, value in document.items() if isinstance(value, list)]
    if 2 * len(lists) < len(document) or not lists:  # a record; the converter reports wrong values
        return {"dataframe_records": [document]}
    for name, value in document.items():
        if not isinstance(value, list):
            found = kind_of(value)
            raise bad_request(
                f"column {name!r}: expected a list, as in column {lists[0]!r}, got {found}; give each column "
                "one value, or each a list"
            )
        if len(value) != len(document[lists[0]]):
            expected = f"{len(document[lists[0]])} values as in column {lists[0]!r}"
            raise bad_request(f"column {name!r}: expected {expected}, got {len(value)}")
    rows = [list(row) for row in zip(*document.values(), strict=True)]
    return {"dataframe_split": {"columns": list(document), "data": rows}}
