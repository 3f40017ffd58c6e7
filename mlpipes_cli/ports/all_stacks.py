"""All stacks of a machine, of every project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class FoundStack:
    """A stack with something left on this machine.

    Attributes:
        id: Its name: the Compose project's name, or the folder of an embedded stack.
        root: The project's folder, which may no longer exist.
        runtime: docker or embedded.
        state: ``running`` while at least one of its services runs.
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
        """Whether the project's folder no longer exists."""
        return not self.root.is_dir()


class AllStacks(Protocol):
    """Finds stacks without their projects' files, and stops or removes them."""

    @property
    def local(self) -> bool:
        """Whether the stacks' folders are on this machine, if they exist."""

    def stacks(self) -> Sequence[FoundStack]:
        """Return all stacks found; changes nothing.

        Raises:
            MlpipesError: The engine does not answer.
        """

    def stop(self, stack: FoundStack) -> None:
        """Stop the running services of a stack; keep its data.

        Raises:
            MlpipesError: A service cannot be stopped.
        """

    def remove(self, stack: FoundStack) -> Sequence[str]:
        """Stop a stack and remove its data, except for data in the project's folder.

        Returns:
            Descriptions of what was removed.

        Raises:
            MlpipesError: Something cannot be removed.
        """
