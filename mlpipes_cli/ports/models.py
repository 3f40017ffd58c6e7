"""The source of a server's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class AliasedVersion:
    """A registered model with its aliases.

    Attributes:
        name: Its name.
        aliases: The present version of each alias.
        promoted: When each alias was last moved, ISO 8601, if known.
    """

    name: str
    aliases: Mapping[str, int]
    promoted: Mapping[str, str]


@dataclass(frozen=True)
class VersionFacts:
    """Information about a registered version that does not need its files.

    Attributes:
        details: The mlpipes section of its ``MLmodel``: task, classes, positive, id, target, features; empty
            for a model that another tool logged.
        tags: Its tags in the registry.
    """

    details: Mapping[str, Any]
    tags: Mapping[str, str]


class ModelSource(Protocol):
    """Reads the registry for a server: one or two requests per call, no cache; threads may share it."""

    def names(self) -> Sequence[str]:
        """Return the names of all registered models.

        Raises:
            MlpipesError: The registry does not answer.
        """

    def published(self, name: str) -> AliasedVersion | None:
        """Return the registered model, or None.

        Raises:
            MlpipesError: The registry does not answer.
        """

    def fetch(self, name: str, version: int, folder: Path) -> None:
        """Copy a version's files, the folder with its ``MLmodel``, into an empty folder.

        Raises:
            MlpipesError: There is no such version, or its files cannot be fetched.
        """

    def fetch_logged(self, uri: str, folder: Path) -> None:
        """Copy the files of a run's model, ``models:/m-...``, registered or not, into an empty folder.

        Raises:
            MlpipesError: There is no such model, or its files cannot be fetched.
        """

    def read(self, name: str, version: int, path: str, limit: int) -> bytes | None:
        """Return up to ``limit`` bytes of a file next to a version's ``MLmodel``; None if it is missing.

        Raises:
            MlpipesError: There is no such version, or its files cannot be fetched.
        """

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        """Return a version's tags in the registry.

        Raises:
            MlpipesError: There is no such version, or the registry does not answer.
        """

    def facts(self, name: str, version: int) -> VersionFacts | None:
        """Return the information about a version, or None if it does not exist (any more).

        Raises:
            MlpipesError: The registry does not answer.
        """
