"""Converts rows of the prediction log to Arrow tables of one schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpipes_cli.ports.prediction_records import LogSnapshot, StoredPrediction

PREFIX = "input_"  # for the columns that hold inputs
_Texts = Sequence[str | None]


class Layout:
    """The columns of an export.

    JSON values of one kind become a column of that type; integers mixed with floats become floats.
    Values of several kinds, arrays and objects stay JSON text. ``score`` holds the positive class's
    score (or the only one), ``scores`` a list with one score for each class.

    Args:
        snapshot: Its kinds decide the types.
        flat: One column for each input in place of ``inputs`` as JSON text.
    """

    def __init__(self, snapshot: LogSnapshot, flat: bool) -> None:
        import pyarrow as pa

        self._flat = flat
        self._kinds: Mapping[str, Collection[str]] = snapshot.kinds
        self._inputs: Mapping[str, Collection[str]] = snapshot.inputs
        moment, text = pa.timestamp("us", tz="UTC"), pa.string()
        fields = [
            ("prediction_id", text),
            ("caller_id", text),
            ("made_at", moment),
            ("model", text),
            ("version", pa.int32()),
            ("alias", text),
            ("prediction", _type(self._kinds["prediction"])),
            ("score", pa.float64()),
            ("scores", pa.list_(pa.float64())),
            ("truth", _type(self._kinds["truth"])),
            ("truth_at", moment),
            ("truth_source", text),
            ("latency_ms", pa.float64()),
            ("trace_id", text),
            ("shadow_of", text),
        ]
        if flat:
            fields += [(PREFIX + name, _type(kinds)) for name, kinds in self._inputs.items()]
        else:
            fields.append(("inputs", text))
        self.schema = pa.schema(fields)

    def table(self, rows: Sequence[StoredPrediction]) -> pa.Table:
        """Return the rows as a table."""
        import pyarrow as pa

        columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
        given = _loaded(columns["scores"])
        values: dict[str, Sequence[Any]] = {
            **columns,
            "prediction": _read(self._kinds["prediction"])(columns["prediction"]),
            "truth": _read(self._kinds["truth"])(columns["truth"]),
            "score": [value if isinstance(value, (int, float)) else None for value in given],
            "scores": [value if isinstance(value, list) else None for value in given],
        }
        if self._flat:
            values |= self._flattened(columns["inputs"])
        arrays = [pa.array(values[field.name], field.type) for field in self.schema]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _flattened(self, texts: _Texts) -> dict[str, Sequence[Any]]:
        rows = [row if isinstance(row, dict) else {} for row in _loaded(texts)]
        return {
            PREFIX + name: _shaped(kinds, [row.get(name) for row in rows])
            for name, kinds in self._inputs.items()
        }


def _type(kinds: Collection[str]) -> Any:
    import pyarrow as pa

    found = frozenset(kinds) - {"null"}
    if found == {"integer"}:
        return pa.int64()
    if found and found <= {"integer", "float"}:
        return pa.float64()
    return pa.bool_() if found == {"boolean"} else pa.string()


def _mixed(kinds: Collection[str]) -> bool:
    """Return whether the column stays JSON text."""
    found = frozenset(kinds) - {"null"}
    return (len(found) > 1 and not found <= {"integer", "float"}) or bool(found & {"array", "object"})


def _read(kinds: Collection[str]) -> Callable[[_Texts], Sequence[Any]]:
    """Return the conversion from JSON text to the column's values."""
    if _mixed(kinds):
        return lambda texts: texts
    return lambda texts: _shaped(kinds, _loaded(texts))


def _shaped(kinds: Collection[str], values: Sequence[Any]) -> Sequence[Any]:
    if _mixed(kinds):
        return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    if "float" in kinds:  # some of the integers may be too large for Arrow to convert without loss
        return [None if value is None else float(value) for value in values]
    return values


def _loaded(texts: _Texts) -> list[Any]:
    found: list[Any] = json.loads(f"[{','.join('null' if text is None else text for text in texts)}]")
    return found
