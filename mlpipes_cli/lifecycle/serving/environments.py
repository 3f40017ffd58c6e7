"""Provides the environments in which models are served: those that trained them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.mlflow_tags import MODEL_ENVIRONMENT

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.serving.plan import ServingPlan
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.environments import Environments

logger = logging.getLogger("mlpipes.server")
BAKED = "MLPIPES_MODEL_PYTHON"  # the interpreter of the model's environment, in an image that holds both
_held: list[Environments] = []  # keeps the environments in use here from being removed while we run


def interpreters(
    say: Callable[[str], None] = logger.warning, title: str = ""
) -> Callable[[Mapping[str, Any]], Path]:
    """Return a function that finds or builds a model's environment, from ``environment`` of its details.

    Args:
        say: Receives messages about long steps.
        title: The model's title for messages.
    """

    def find(told: Mapping[str, Any]) -> Path:
        """Return the interpreter.

        Raises:
            MlpipesError: It cannot be built; the message says why.
        """
        baked = os.environ.get(BAKED)
        if baked:
            return Path(baked)
        from mlpipes_cli.adapters import wiring
        from mlpipes_cli.ports.environments import of_model

        if not _held:
            _held.append(wiring.make_environments())
        spec = of_model({MODEL_ENVIRONMENT: told}, title)
        assert spec is not None
        return (_held[0].find(spec) or _held[0].ensure(spec, say=say)).python

    return find


def prepare(plan: ServingPlan, reporter: Reporter) -> Path | None:
    """Prepare the environment of the model to serve, built here and now if necessary.

    Returns:
        Its interpreter; None for a model of this process's own environment.

    Raises:
        Untrusted: The model is not signed.
        MlpipesError: It cannot be built; the message says why.
    """
    from mlpipes_cli.server.models.signature import describe

    vault = project_vault.of(plan.project, plan.endpoints)
    vault.want_claim(plan.model, plan.version)
    facts = vault.source.facts(plan.model, plan.version)
    if facts is None or not facts.details.get(MODEL_ENVIRONMENT):
        return None
    with project_vault.fetched(
        vault, plan.model, plan.version
    ) as folder:  # building an environment runs code
        told = describe(folder).details.get(MODEL_ENVIRONMENT)
    return interpreters(reporter.info, plan.model)(told) if told else None
