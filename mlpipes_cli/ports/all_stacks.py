"""All stacks of a machine, whichever project they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class FoundStack:
    """A stack that something of is on this machine.

    Attributes:
        id: By which it is named: the Compose project's name, or the folder of an embedded stack.
        root: The project's folder, which may be gone.
        runtime: docker or embedded.
        state: ``running`` while a service of it runs.
        services: The services that run.
        volumes: Docker volumes with its data.
    """

    id: str
    root: Path
    runtime: Literal["docker", "embedded"]
    state: Literal["running", "stopped"]
    services: tuple[str, ...]
    volumes: tuple[str, ...] = ()

    @property
    def orphaned(self) -> bool:
        """Whether its project's folder is gone."""
        return not self.root.is_dir()


class AllStacks(Protocol):
    """Finds stacks without their projects' files, and ends them."""

    @property
    def local(self) -> bool:
        """Whether the stacks' folders are on this machine, if they exist."""

    def stacks(self) -> Sequence[FoundStack]:
        """All that are found; nothing is changed.

        Raises:
            MlpipesError: The engine does not answer.
        """

    def stop(self, stack: FoundStack) -> None:
        """End what runs of it; its data stays.

        Raises:
            MlpipesError: Something cannot be ended.
        """

    def remove(self, stack: FoundStack) -> Sequence[str]:
        """End it and remove its data, as far as that is not in the project's folder.

        Returns:
            What was removed, in words.

        Raises:
            MlpipesError: Something cannot be removed.
        """
