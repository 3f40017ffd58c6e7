"""Writes a fitted model as an MLflow model that loads without mlpipes."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlpipes_cli.run_schema import MODEL_METADATA
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError
from mlpipes_cli.worker import requirements

if TYPE_CHECKING:
    from mlpipes_cli.data.prepare import Prepared

EXAMPLE_ROWS = 5
_SIGNATURE_ROWS = 20_000


def save(
    fitted: Fitted, training: Training, prepared: Prepared, folder: Path, content: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the model; returns what the core has to know of it.

    Raises:
        TrainingError: The model cannot be pickled.
    """
    import cloudpickle
    import mlflow.sklearn

    by_value = own_modules([str(folder) for folder in content.get("folders", [])])
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    pins = requirements.locked(requirements.modules_of(fitted.model, by_value))
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            mlflow.sklearn.save_model(
                fitted.model,
                str(folder),
                serialization_format="cloudpickle",
                signature=_signature(fitted, training),
                input_example=training.X.head(EXAMPLE_ROWS),
                pip_requirements=pins,
                metadata={MODEL_METADATA: metadata(prepared)},
            )
        except Exception as error:
            raise TrainingError(f"the model cannot be saved: {_first_line(error)}") from error
    return {"requirements": pins}


def metadata(prepared: Prepared) -> dict[str, Any]:
    """What serving has to know of a model."""
    return {
        "task": prepared.task,
        "classes": list(prepared.classes),
        "positive": prepared.positive,
        "id": prepared.id_name,
        "target": prepared.target_name,
        "features": list(prepared.feature_names),
    }


def own_modules(folders: Sequence[str]) -> list[ModuleType]:
    """The modules whose code goes into the pickle: the user's own, and our preprocessing."""
    from mlpipes_cli.preprocess import portable

    roots = [Path(folder).resolve() for folder in folders]
    outside = Path(sys.prefix).resolve()
    found = list(portable.modules())
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        name = getattr(module, "__name__", "__main__")
        if not isinstance(file, str) or name == "__main__" or name.partition(".")[0] == "mlpipes_cli":
            continue
        path = Path(file).resolve()
        installed = path.is_relative_to(outside) or "site-packages" in path.parts
        if not installed and any(path.is_relative_to(root) for root in roots):
            found.append(module)
    return found


def _signature(fitted: Fitted, training: Training) -> Any:
    from mlflow.models import infer_signature

    sample = training.X.head(_SIGNATURE_ROWS)
    return infer_signature(sample, fitted.model.predict(training.X.head(EXAMPLE_ROWS)))


def _first_line(error: BaseException) -> str:
    text = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    return f"{type(error).__name__}: {text}"
