"""Where a server gets its models from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class AliasedVersion:
    """A registered model as a server has to know it.

    Attributes:
        name: Its name.
        aliases: The version that each alias points to now.
        promoted: When each alias was last moved, ISO 8601, where that is known.
    """

    name: str
    aliases: Mapping[str, int]
    promoted: Mapping[str, str]


@dataclass(frozen=True)
class VersionFacts:
    """What is known of a registered version without its files.

    Attributes:
        details: Our part of its ``MLmodel``: task, classes, positive, id, target, features; empty for
            a model that another tool logged.
        tags: Its tags in the registry.
    """

    details: Mapping[str, Any]
    tags: Mapping[str, str]


class ModelSource(Protocol):
    """The registry, read by a server: a request or two a call, nothing cached; threads may share it."""

    def names(self) -> Sequence[str]:
        """All registered models.

        Raises:
            MlpipesError: The registry does not answer.
        """

    def published(self, name: str) -> AliasedVersion | None:
        """The registered model, or None.

        Raises:
            MlpipesError: The registry does not answer.
        """

    def fetch(self, name: str, version: int, folder: Path) -> None:
        """Copy a version's files into an empty folder: the one that holds its ``MLmodel``.

        Raises:
            MlpipesError: There is no such version, or its files cannot be fetched.
        """

    def fetch_logged(self, uri: str, folder: Path) -> None:
        """Copy the files of a run's model, ``models:/m-...``, registered or not, into an empty folder.

        Raises:
            MlpipesError: There is no such model, or its files cannot be fetched.
        """

    def read(self, name: str, version: int, path: str, limit: int) -> bytes | None:
        """A file that lies beside a version's ``MLmodel``, up to so many bytes of it; None if there is none.

        Raises:
            MlpipesError: There is no such version, or its files cannot be fetched.
        """

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        """A version's tags in the registry.

        Raises:
            MlpipesError: There is no such version, or the registry does not answer.
        """

    def facts(self, name: str, version: int) -> VersionFacts | None:
        """What is known of a version, or None if there is none (any more).

        Raises:
            MlpipesError: The registry does not answer.
        """
