"""Notifications of moved aliases, without polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class AliasNotifications(Protocol):
    """Receives notifications that mlpipes sends when it moves an alias."""

    async def listen(self, on_change: Callable[[str], None], ready: Callable[[], None]) -> None:
        """Listen until the connection is lost; notifications between two calls are not received.

        Args:
            told: Called with the name of the registered model whenever one of its aliases has moved.
            ready: Called once, when all later notifications will be received.

        Raises:
            MlpipesError: The connection cannot be made, or was lost.
        """
