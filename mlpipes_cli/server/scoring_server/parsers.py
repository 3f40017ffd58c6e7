"""Replaces what MLflow's scoring server reads bodies with: values mean what they mean to the API.

MLflow reads CSV with pandas' defaults, where the text ``NA`` is missing and ``00501`` may become 501, and
casts JSON and Parquet by the signature alone. Here MLflow's forms stay, and one converter reads their values
(:mod:`mlpipes_cli.server.requests.column_conversion`). MLflow reads requests to models without named columns
and to those whose signature is made of type hints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.mlflow_tags import MODEL_ENVIRONMENT
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.model_columns import ModelColumns
from mlpipes_cli.server.models.signature import describe
from mlpipes_cli.server.requests import tables
from mlpipes_cli.server.requests.bounds import Bounds
from mlpipes_cli.server.requests.column_conversion import Unfit, fitted
from mlpipes_cli.server.requests.parquet_bounds import check_parquet

if TYPE_CHECKING:
    import pandas as pd

_UNREADABLE = "the data does not match the model's columns"
_FORMS = {"parse_csv_input": "CSV", "parse_parquet_input": "Parquet", "infer_and_parse_data": "JSON"}


def install(folder: Path, server: Any) -> None:
    """Have MLflow's scoring server read this model's requests by our rules.

    A form whose parser this MLflow does not have is named in the log, and read as MLflow reads it.

    Args:
        folder: The model's.
        server: MLflow's module ``mlflow.pyfunc.scoring_server``.
    """
    description = describe(folder)
    fills = description.pickled is not None or bool(description.details.get(MODEL_ENVIRONMENT))
    model = ModelColumns(description, fills=fills)
    if not model.columns or model.mlflow.hinted:
        return
    readers = Readers(model, getattr(server, "infer_and_parse_data", None))
    for name, form in _FORMS.items():
        if callable(getattr(server, name, None)):
            setattr(server, name, getattr(readers, form.lower()))
        else:
            message = f"this MLflow has no {name}: values in {form} are read by MLflow's own rules"
            sys.stderr.write(f"warning: {message}\n")


class Readers:
    """A model's readers, with the arguments and errors of MLflow's.

    Args:
        model: The model's columns.
        inferred: MLflow's parser of JSON forms.
    """

    def __init__(self, model: ModelColumns, inferred: Callable[..., Any] | None) -> None:
        self._model, self._inferred = model, inferred
        self._bounds = Bounds(len(model.columns), sys.maxsize)

    def csv(self, csv_input: Any, schema: Any = None) -> pd.DataFrame:
        """Read a CSV with a header.

        Raises:
            MlflowException: It is not a CSV, or does not fit the model (400).
        """
        body = _content(csv_input)

        def read() -> pd.DataFrame:
            self._bounds.csv(body)
            return tables.of_cells(body)

        return self._fitted(read, cells=True)

    def parquet(self, parquet_input: Any) -> pd.DataFrame:
        """Read a Parquet file.

        Raises:
            MlflowException: It is not a Parquet file, or does not fit the model (400).
        """
        body = _content(parquet_input)

        def read() -> pd.DataFrame:
            check_parquet(body, self._bounds)
            return tables.of_parquet(body)

        return self._fitted(read, encoded=False)

    def json(self, data: Any, schema: Any = None) -> Any:
        """Read one of MLflow's JSON forms.

        Raises:
            MlflowException: It has none of the forms, or does not fit the model (400).
        """
        assert self._inferred is not None
        try:
            framed = tables.as_frame(data, self._model.names)
        except ValueError as error:
            raise _wrong(str(error)) from None
        if framed is None:
            return self._inferred(data, schema)
        return self._fitted(lambda: self._inferred(framed, None))  # type: ignore[misc]

    def _fitted(
        self, read: Callable[[], pd.DataFrame], *, cells: bool = False, encoded: bool = True
    ) -> pd.DataFrame:
        from mlflow.exceptions import MlflowException

        try:
            found = fitted(read(), self._model, cells=cells, encoded=encoded)
            return self._model.as_signed(found)  # type: ignore[no-any-return]
        except (Unfit, ApiError, ValueError) as error:
            raise _wrong(str(error), late=getattr(error, "late", False) or not encoded) from None
        except MlflowException:
            raise
        except Exception as error:  # noqa: BLE001  pandas or MLflow fails on what is not a table
            sys.stderr.write(f"a request was not understood: {type(error).__name__}\n")
            raise _wrong(_UNREADABLE) from None


def _wrong(message: str, late: bool = False) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE

    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE if late else BAD_REQUEST)  # type: ignore[no-any-return]


def _content(given: Any) -> bytes:
    """Return the bytes of a stream of text or bytes, or of the file of that name."""
    found = given.read() if hasattr(given, "read") else Path(given).read_bytes()
    return found.encode("utf-8") if isinstance(found, str) else bytes(found)
