"""The images that mlpipes has built on an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class OwnImage:
    """An image that mlpipes built.

    Attributes:
        id: The engine's, ``sha256:…``.
        names: Its names with tags; empty where a newer image has taken its name.
        kind: ``service`` for the stack's own, ``model`` for those of ``mlpipes build``.
        model: The model inside with its version; empty for a service.
        current: It is built from this release's files; always so for a model.
        created: Seconds since the epoch.
        size: Bytes of all its layers, those that other images share too.
        used_by: The names of the containers that were made from it, of any project, running or not.
    """

    id: str
    names: tuple[str, ...]
    kind: Literal["service", "model"]
    model: str
    current: bool
    created: float
    size: int
    used_by: tuple[str, ...]


class ImageStore(Protocol):
    """Finds those images, and removes them."""

    def listing(self) -> Sequence[OwnImage]:
        """All of them, the newest first; nothing is changed.

        Raises:
            MlpipesError: The engine does not answer.
        """

    def remove(self, image: OwnImage) -> bool:
        """Remove one by all its names; False where something has begun to use it, and it stays.

        Raises:
            MlpipesError: The engine refuses, or does not answer.
        """
