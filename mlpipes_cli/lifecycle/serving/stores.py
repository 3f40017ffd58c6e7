"""What the prediction API reaches outside of itself, put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.server.settings import ServerSettings
    from mlpipes_cli.server.stores import Stores
    from mlpipes_cli.signing.vault import Vault


def make_stores(settings: ServerSettings, database_url: str, models: Vault | None) -> Stores:
    """The ports of one API.

    Args:
        settings: Of which those on the spool count here.
        database_url: Where predictions, truth and keys are.
        models: What may be loaded of the registry, or None.
    """
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.lifecycle.serving.environments import interpreters
    from mlpipes_cli.server.stores import Stores

    log = wiring.make_prediction_log(database_url)
    if settings.on_log_failure == "spool" and settings.spool is not None:
        log = wiring.make_prediction_spool(log, Path(settings.spool), settings.spool_bytes)
    return Stores(
        log=log,
        truth=wiring.make_truth_store(database_url),
        recent=wiring.make_recent_predictions(database_url),
        keys=wiring.make_key_store(database_url),
        models=models,
        news=wiring.make_alias_news(database_url),
        interpreters=interpreters(title=settings.model),
    )
