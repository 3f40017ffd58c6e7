"""Hearing of aliases that have moved, without asking all the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class AliasNotifications(Protocol):
    """Passes on what whoever moves an alias by mlpipes tells."""

    async def listen(self, told: Callable[[str], None], ready: Callable[[], None]) -> None:
        """Listen until the connection is lost; what is told in between two calls is not heard.

        Args:
            told: Given the name of each registered model of which an alias has moved.
            ready: Called once, when all that is told from then on is heard.

        Raises:
            MlpipesError: Nothing can be heard, or not any more.
        """
