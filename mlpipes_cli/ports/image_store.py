"""The images on an engine that mlpipes has built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class OwnImage:
    """An image that mlpipes built.

    Attributes:
        id: The engine's id, ``sha256:…``.
        names: Its names with tags; empty if a newer image has its name now.
        kind: ``service`` for the stack's own images, ``model`` for images of ``mlpipes build``.
        model: The model inside, with its version; empty for a service.
        current: Whether it is built from this release's files; always true for a model.
        created: Seconds since the epoch.
        size: Bytes of all its layers, including layers shared with other images.
        used_by: Names of the containers made from it, of any project, running or not.
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
    """Lists and removes images that mlpipes has built."""

    def listing(self) -> Sequence[OwnImage]:
        """Return all of them, newest first; changes nothing.

        Raises:
            MlpipesError: The engine does not answer.
        """

    def remove(self, image: OwnImage) -> bool:
        """Remove an image with all its names; return False if it is now in use and was kept.

        Raises:
            MlpipesError: The engine refuses, or does not answer.
        """
