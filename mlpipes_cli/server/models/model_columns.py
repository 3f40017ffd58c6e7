"""What a model takes: its columns, their types, and how their values are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.server.models.signature import Description, InputColumn

if TYPE_CHECKING:
    from mlpipes_cli.server.requests.mlflow_parser import MlflowParser


class ModelColumns:
    """The columns of a model; what the converter needs to know of it.

    Args:
        description: The description of the model's folder.
        fills: Whether missing optional columns are given to the model as missing values; a Python function of
            MLflow may check whether they are present.
    """

    def __init__(self, description: Description, *, fills: bool) -> None:
        self.description, self.folder, self.fills = description, description.folder, fills
        self.details, self.columns = dict(description.details), description.columns
        self.formats = Formats.of_model(self.details)
        self.features = frozenset(column.name for column in self.columns)
        self.names = [column.name for column in self.columns]
        self.doubles = frozenset(column.name for column in self.columns if column.type == "double")
        self.pictures = _pictures(self.columns, self.details)
        self._numbered = [c.name for c in self.columns if c.type == "boolean" and c.signed == "double"]
        self._mlflow: MlflowParser | None = None

    @property
    def mlflow(self) -> MlflowParser:
        """MLflow's own parsing and enforcement for this model; its first use imports MLflow."""
        if self._mlflow is None:
            from mlpipes_cli.server.requests.mlflow_parser import MlflowParser

            self._mlflow = MlflowParser(self.folder)
        return self._mlflow

    def as_signed(self, data: Any) -> Any:
        """Return a converted table with its booleans as the numbers that the model was trained on."""
        there = [name for name in self._numbered if name in getattr(data, "columns", ())]
        # several times as fast as `data.astype`, which takes all columns apart
        return data.assign(**{name: data[name].astype("float64") for name in there}) if there else data


def _pictures(columns: Sequence[InputColumn], details: Mapping[str, Any]) -> list[str]:
    """Return the columns of pictures: training makes text of all other bytes."""
    binary = [column.name for column in columns if column.type == "binary"]
    declared = details.get("images", binary if details.get("task") else ())
    return [name for name in binary if name in declared]
