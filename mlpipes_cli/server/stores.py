"""All that the API reaches outside of itself, by port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.ports import PredictionLog
from mlpipes_cli.ports.alias_notifications import AliasNotifications
from mlpipes_cli.ports.api_keys import KeyStore
from mlpipes_cli.ports.ground_truth import TruthStore
from mlpipes_cli.ports.recent_predictions import RecentPredictions
from mlpipes_cli.signing.vault import Vault


@dataclass(frozen=True)
class Stores:
    """The ports that one API uses.

    Attributes:
        log: Keeps the predictions.
        truth: Keeps what turned out to be true of them.
        recent: Shows the newest ones.
        keys: Knows the API keys.
        models: What may be loaded of the registry; None where the model lies in a folder.
        news: Tells of aliases that have moved; None where nobody does.
        interpreters: Finds (or makes) the environments of models that have one; None where none can be.
    """

    log: PredictionLog
    truth: TruthStore
    recent: RecentPredictions
    keys: KeyStore
    models: Vault | None = None
    news: AliasNotifications | None = None
    interpreters: Callable[[Mapping[str, Any]], Path] | None = None
