"""Records which version a server has loaded for which promotion; a database that is away is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.delivery.deployments import Deployment, Deployments
from mlpipes_cli.server.models.served_model import ServedModel

logger = logging.getLogger("mlpipes.server")
_LOOK, _AGAIN = 1.0, 30.0  # seconds between two looks, and after a failure


class DeploymentNotes:
    """Records each loaded version once; answers never wait for it.

    Args:
        store: The record; without one nothing is noted.
        models: The served models, by alias; looked at again and again.
    """

    def __init__(self, store: Deployments | None, models: Mapping[str, ServedModel]) -> None:
        self._store, self._models = store, models
        self._noted: set[tuple[str, int, datetime]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on; called in the event loop."""
        if self._store is not None:
            self._task = asyncio.get_running_loop().create_task(self._watch(self._store))

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self, store: Deployments) -> None:
        while True:
            pause = _LOOK
            for model in tuple(self._models.values()):
                moved = _time(model.promoted_at)
                if moved is None or (model.alias, model.version, moved) in self._noted:
                    continue
                try:
                    await store.note(
                        Deployment(model.name, model.version, model.alias, moved, model.loaded_at)
                    )
                    self._noted.add((model.alias, model.version, moved))
                except MlpipesError as error:
                    pause = _AGAIN
                    logger.debug("not recorded that version %d was loaded: %s", model.version, error)
            await asyncio.sleep(pause)


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
