"""The external systems of the API, by port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.ports import PredictionLog
from mlpipes_cli.ports.alias_notifications import AliasNotifications
from mlpipes_cli.ports.api_keys import KeyStore
from mlpipes_cli.ports.delivery.deployments import Deployments
from mlpipes_cli.ports.ground_truth import TruthStore
from mlpipes_cli.ports.monitoring import RecentChecks
from mlpipes_cli.ports.recent_predictions import RecentPredictions
from mlpipes_cli.signing.vault import Vault


@dataclass(frozen=True)
class Stores:
    """The ports that one API uses.

    Attributes:
        log: Stores the predictions.
        truth: Stores ground truth of predictions.
        recent: Reads the newest predictions.
        keys: Stores the API keys.
        checks: Reads the newest checks of the model.
        models: The loadable models of the registry; None if the model is in a folder.
        news: Notifications of moved aliases; None if there are none.
        interpreters: Finds or builds the environments of models that have one; None if that is not possible.
        deployments: Records which versions were loaded, or None.
    """

    log: PredictionLog
    truth: TruthStore
    recent: RecentPredictions
    keys: KeyStore
    checks: RecentChecks
    models: Vault | None = None
    news: AliasNotifications | None = None
    interpreters: Callable[[Mapping[str, Any]], Path] | None = None
    deployments: Deployments | None = None
