"""Lists the images that mlpipes has built, and removes unused ones."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.adapters import machine_wiring
from mlpipes_cli.errors import MlpipesError, UsageError

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.image_store import OwnImage


@dataclass(frozen=True)
class PrunedImages:
    """The result of a prune.

    Attributes:
        removed: Images that were removed.
        kept: Images that were to be removed and have come into use meanwhile.
        size: Bytes of the removed images; layers that other images share stay on the disk.
    """

    removed: tuple[OwnImage, ...]
    kept: tuple[OwnImage, ...]
    size: int


def listing() -> list[OwnImage]:
    """Return all images that mlpipes built on the engine, for any project, the newest first.

    Raises:
        MlpipesError: No engine answers.
    """
    return list(machine_wiring.docker_images().listing())


def prune(reporter: Reporter, *, models: bool = False, yes: bool = False) -> PrunedImages:
    """Remove images of services that no container uses and this release does not start.

    Args:
        reporter: Asks for confirmation.
        models: Remove the unused images of ``mlpipes build``, too.
        yes: Do not ask for confirmation.

    Raises:
        UsageError: There is no terminal to ask on and no ``yes``.
        MlpipesError: No engine answers, it refuses, or the user declined.
    """
    store = machine_wiring.docker_images()
    due = [image for image in store.listing() if not image.used_by and _goes(image, models=models)]
    if due and not yes:
        _ask(due, reporter)
    gone = [image for image in due if store.remove(image)]
    return PrunedImages(
        tuple(gone), tuple(image for image in due if image not in gone), sum(image.size for image in gone)
    )


def _goes(image: OwnImage, *, models: bool) -> bool:
    return models if image.kind == "model" else not image.current


def _ask(due: list[OwnImage], reporter: Reporter) -> None:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for confirmation", "add --yes")
    shown = ", ".join(image.names[0] if image.names else image.id[7:19] for image in due)
    if not reporter.confirm(f"remove {len(due)} images ({shown})?"):
        raise MlpipesError("nothing was removed")
