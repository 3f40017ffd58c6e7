"""A registered model with scikit-learn's interface, in this process or another, within a context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.trust.project_vault import fetched
from mlpipes_cli.mlflow_tags import MODEL_ENVIRONMENT

if TYPE_CHECKING:
    from mlpipes_cli.model_process.output import ModelOutput
    from mlpipes_cli.server.models.served_model import ServedModel
    from mlpipes_cli.signing.vault import Vault


@contextlib.contextmanager
def loaded(vault: Vault, model: str, version: int) -> Iterator[Any]:
    """Yield the model as it was logged; a model with its own environment runs in a process there.

    Raises:
        Untrusted: It is not signed.
        MlpipesError: It does not load.
    """
    from mlpipes_cli.lifecycle.serving.environments import interpreters
    from mlpipes_cli.server.models.loader import load
    from mlpipes_cli.server.models.signature import describe

    with fetched(vault, model, version) as folder:
        if not describe(folder).details.get(MODEL_ENVIRONMENT):
            yield _native(folder, model, version)
            return
        served = load(folder, model, version, "", interpreters=interpreters(title=model))
        assert served.elsewhere is not None
        try:
            yield RegisteredModelEstimator(served)
        finally:
            served.elsewhere.close()


def _native(folder: Path, model: str, version: int) -> Any:
    import mlflow.sklearn

    try:
        return mlflow.sklearn.load_model(str(folder))
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise MlpipesError(f"version {version} of {model} cannot be loaded: {told}") from error


class RegisteredModelEstimator:
    """Forwards calls to a model's process; labels and scores of one frame share a request.

    It has ``predict``, and ``predict_proba`` or ``decision_function`` if the model has.
    """

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._last: tuple[Any, ModelOutput] | None = None
        if served.details.get("classes"):
            self.classes_ = list(served.details["classes"])

    def predict(self, X: Any) -> Any:
        """Return the result of the model's own ``predict``."""
        return self._asked(X).raw

    def __getattr__(self, name: str) -> Any:
        reader = self.__dict__["_served"].scores
        if reader is not None and name == ("predict_proba" if reader.probabilities else "decision_function"):
            return self._scores
        raise AttributeError(name)

    def _scores(self, X: Any) -> Any:
        import numpy as np

        reader, scores = self._served.scores, self._asked(X).scores or []
        assert reader is not None
        if reader.probabilities:
            return np.asarray(reader.table(scores), dtype=float)
        found = np.asarray(scores, dtype=float)
        if found.ndim == 1 and reader.order and reader.order.index(reader.positive or 0) == 0:
            return -found  # for two classes: the score of the second
        return found

    def _asked(self, X: Any) -> ModelOutput:
        if self._last is None or self._last[0] is not X:
            self._last = (X, self._served.predict(X))
        return self._last[1]
