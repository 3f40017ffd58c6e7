"""Which adapter carries out which port; each function imports its own on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints, PredictionStore, Registry


def make_registry(endpoints: Endpoints) -> Registry:
    """The model registry of a running stack."""
    from mlpipes_cli.adapters.mlflow_rest import MlflowRest
    from mlpipes_cli.adapters.registry import MlflowRegistry

    return MlflowRegistry(MlflowRest(endpoints.tracking_uri))


def make_prediction_store(database_url: str) -> PredictionStore:
    """Where the prediction API keeps its predictions."""
    from mlpipes_cli.adapters.prediction_log import PostgresPredictionStore

    return PostgresPredictionStore(database_url)


@contextlib.contextmanager
def serving_port(
    wanted: int | None, remembered: int | None, preference: int, say: Callable[[str], None]
) -> Iterator[int]:
    """A port for a server in this process, held until the context ends.

    Raises:
        MlpipesError: The wanted port is taken; the message names its holder.
    """
    from mlpipes_cli.adapters.embedded import ports
    from mlpipes_cli.errors import MlpipesError

    if wanted is not None:  # whoever starts us as a service may hold it for us already
        if not ports.is_free(wanted):
            holder = ports.holder(wanted)
            raise MlpipesError(f"port {wanted} is taken by {holder}", "stop it, or choose another with --port")
        yield wanted
        return
    with ports.Reservations() as reservations:
        yield ports.choose(
            "the API", reservations, wanted=None, remembered=remembered, preference=preference, say=say
        )
