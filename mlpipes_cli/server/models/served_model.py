"""A loaded version of a registered model."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.scoring.score_reader import ScoreReader, split
from mlpipes_cli.server.models.model_columns import ModelColumns
from mlpipes_cli.server.models.signature import Description, InputColumn
from mlpipes_cli.server.requests.request_decoder import RequestDecoder, Row

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.model_process.client import ModelProcess
    from mlpipes_cli.server.compiled import Compiled

__all__ = ["InputColumn", "ServedModel"]

_DTYPES: dict[str, str] = {
    "double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"
}  # fmt: skip
_CHEAP = 0.002  # seconds that a predict call may block the event loop


@dataclass(frozen=True)
class Shortcut:
    """A compiled predictor that was checked against the estimator, and its cost.

    Attributes:
        ask: The predictor.
        call: Seconds per call, regardless of its rows.
        row: Seconds per row.
    """

    ask: Compiled
    call: float
    row: float


class ServedModel(ModelColumns):
    """Predicts rows and frames; may be used from several threads.

    Args:
        description: The description of the model's folder.
        native: The scikit-learn estimator, or None for a model of another kind.
        pyfunc: The model in MLflow's general form, or None for a scikit-learn estimator.
        name: The registered model's name.
        version: The version that was loaded.
        alias: The alias that points to it.
        promoted_at: When the alias was moved to it, ISO 8601, or None.
        shortcut: A compiled predictor that gives the estimator's own answers.
        row_by_row: Whether a model of another kind answers each row independently.
        elsewhere: The process of a model with its own environment; it ends with this object.
    """

    def __init__(
        self,
        description: Description,
        native: Any | None,
        pyfunc: Any | None,
        name: str,
        version: int,
        alias: str,
        promoted_at: str | None = None,
        shortcut: Shortcut | None = None,
        row_by_row: bool = False,
        elsewhere: ModelProcess | None = None,
    ) -> None:
        super().__init__(description, fills=pyfunc is None)
        self.name, self.version, self.alias, self.promoted_at = name, version, alias, promoted_at
        self.loaded_at = datetime.now(UTC)
        self.example = description.example
        self._texts = [at for at, column in enumerate(self.columns) if column.type == "string"]
        self.shortcut = shortcut
        self.lane = (
            None
            if description.params
            else RequestDecoder.of(self.columns, self.id_names, self.formats.missing)
        )
        self.merges = native is not None or row_by_row
        self._native, self._pyfunc = native, pyfunc
        self._prepare, self._last = split(native)
        self.scores = ScoreReader.of(self._last, self.details) if elsewhere is None else elsewhere.scores
        self.elsewhere = elsewhere
        if elsewhere is not None:
            weakref.finalize(self, elsewhere.release).atexit = False  # our exit waits for it

    @functools.cached_property
    def _index(self) -> pd.Index:
        import pandas as pd

        return pd.Index(self.names)

    def cheap(self, rows: int) -> bool:
        """Return whether that many rows may be predicted within the event loop."""
        return self.shortcut is not None and self.shortcut.call + rows * self.shortcut.row < _CHEAP

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> ModelOutput:
        """Predict for data as the signature requires; exceptions of the model propagate.

        Raises:
            Away: The model's process does not answer now.
        """
        if self._numbered:
            data = self.as_signed(data)
        if self.elsewhere is not None:
            return self.elsewhere.ask(data, params)
        if self._pyfunc is not None:
            return ModelOutput(self._pyfunc.predict(data, params=params or None), None)
        prepared = data if self._prepare is None else self._prepare.transform(data)
        return ModelOutput(self._last.predict(prepared), self.scores.read(prepared) if self.scores else None)

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Return rows of the fast path as the frame that the slow path would make of them."""
        import numpy as np
        import pandas as pd

        kinds = [column.type for column in self.columns]
        if len(set(kinds)) == 1 and kinds[0] in _DTYPES and not self._numbered:
            return pd.DataFrame(np.array(rows, dtype=_DTYPES[kinds[0]]), columns=self._index)
        columns: dict[str, Any] = {}
        for name, kind, values in zip(self.names, kinds, zip(*rows, strict=True), strict=True):
            gap = kind == "boolean" and None in values
            dtype = "object" if gap else _DTYPES.get(kind)
            columns[name] = pd.Series(values) if kind == "string" else np.array(values, dtype=dtype)
        return pd.DataFrame(columns, copy=False)

    def gaps(self, rows: Sequence[Row]) -> tuple[int, ...]:
        """Return the text columns without any text in these rows: in their frame they have another type."""
        return tuple(at for at in self._texts if all(row[at] is None for row in rows))

    def caller_ids(self, data: Any) -> list[Any] | None:
        """Return the caller's identifiers in a frame: the id column, else ``id`` unless it is a feature."""
        import pandas as pd

        if not isinstance(data, pd.DataFrame):
            return None
        for name in self.id_names:
            if name in data.columns:
                values: Any = data[name]
                return list((values.iloc[:, 0] if values.ndim > 1 else values).tolist())  # may be duplicate
        return None

    @property
    def id_names(self) -> list[str]:
        """Columns that may hold the caller's identifiers; the first one present is used."""
        names = dict.fromkeys([self.details.get("id"), "id"])
        return [name for name in names if isinstance(name, str) and name and name not in self.features]
