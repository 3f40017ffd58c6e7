"""The prediction API as an ASGI application."""

from __future__ import annotations

from mlpipes_cli.server.http.asgi import AsgiApp
from mlpipes_cli.server.http.lifespan import Lifespan
from mlpipes_cli.server.models.served_models import AliasFollower, ServedModels, from_folder
from mlpipes_cli.server.ops.keys import KeyGuard
from mlpipes_cli.server.ops.metrics import Metrics
from mlpipes_cli.server.predictions.service import PredictionService
from mlpipes_cli.server.settings import ServerSettings
from mlpipes_cli.server.stores import Stores


def create_app(settings: ServerSettings, stores: Stores, models: ServedModels | None = None) -> AsgiApp:
    """Create the API.

    Args:
        settings: What to serve, and the limits.
        stores: The external systems.
        models: The loaded models; loaded here when left out.

    Raises:
        MlpipesError: The model cannot be loaded.
    """
    meter = Metrics()
    follower = None
    if models is None and settings.folder is None:
        assert stores.models is not None
        follower = AliasFollower(stores.models, settings, meter, stores.interpreters, stores.news)
    served = models or (from_folder(settings, stores.interpreters) if follower is None else follower.load())
    for alias, model in served.items():
        meter.model(model.name, alias, model.version)
    service = PredictionService(served, stores, settings, meter, follower)
    guard = KeyGuard(stores.keys, mode=settings.api_keys)
    return AsgiApp(service, Lifespan(service, guard), guard)
