"""Builds the adapters that the prediction API uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.server.settings import ServerSettings
    from mlpipes_cli.server.stores import Stores
    from mlpipes_cli.signing.vault import Vault


def make_stores(settings: ServerSettings, database_url: str, models: Vault | None) -> Stores:
    """Return the stores of one API.

    Args:
        settings: The server's settings, of which those on the spool are used.
        database_url: The database of predictions, truth and keys.
        models: The models of the registry that may be loaded, or None.
    """
    from mlpipes_cli.adapters import database_wiring
    from mlpipes_cli.lifecycle.serving.environments import interpreters
    from mlpipes_cli.server.stores import Stores

    log = database_wiring.make_prediction_log(database_url)
    if settings.on_log_failure == "spool" and settings.spool is not None:
        log = database_wiring.make_prediction_spool(log, Path(settings.spool), settings.spool_bytes)
    return Stores(
        log=log,
        truth=database_wiring.make_truth_store(database_url),
        recent=database_wiring.make_recent_predictions(database_url),
        keys=database_wiring.make_key_store(database_url),
        checks=database_wiring.make_recent_checks(database_url),
        deployments=database_wiring.make_deployments(database_url),
        models=models,
        news=database_wiring.make_alias_news(database_url),
        interpreters=interpreters(title=settings.model),
    )
