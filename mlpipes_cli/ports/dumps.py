"""Copying a database whole, and replacing it whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class DatabaseFacts:
    """What a database holds.

    Attributes:
        server: The server's version.
        size: Bytes on disk, indexes too.
        rows: How many there are in each table, by ``schema.table``.
        revision: The version of MLflow's tables; None in another database, and in one without them.
        locations: Where finished models and versions of MLflow's registry say that their files are.
    """

    server: str
    size: int
    rows: Mapping[str, int]
    revision: str | None
    locations: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """What a database would hold.

    Attributes:
        rows: How many there are in each table, by ``schema.table``.
        revision: The version of MLflow's tables, or None.
    """

    rows: Mapping[str, int]
    revision: str | None


class DatabaseSnapshot(Protocol):
    """A database as it was at one moment."""

    @property
    def facts(self) -> DatabaseFacts:
        """What it held then."""

    def dump(self, target: Path) -> None:
        """Write it as an SQL script.

        Raises:
            MlpipesError: It cannot be read or written.
        """


class Loading(Protocol):
    """A database that is being replaced, in one transaction that is still open."""

    def load(self, script: BinaryIO) -> None:
        """Drop what is there and run a script of ``Snapshot.dump``; nobody else sees it yet.

        Raises:
            MlpipesError: The server refuses it, the tables are in use, or it does not pass
                :meth:`Databases.examined`.
        """

    def holds(self) -> Holding:
        """What it would hold after a ``commit``."""

    def commit(self) -> None:
        """Make it hold.

        Raises:
            MlpipesError: The server did not say that it does; :meth:`Databases.identity` tells what is so.
        """


class Databases(Protocol):
    """Databases by ``postgresql://`` address of their owners. Every method may raise a ``MlpipesError``."""

    def facts(self, url: str) -> DatabaseFacts:
        """What a database holds."""

    def identity(self, url: str) -> str:
        """The same text as long as nothing has replaced a table, nor added or removed one or a row."""

    def examined(self, script: BinaryIO) -> BinaryIO:
        """A script that can be read once, to its end, if it is whole and leaves the transaction to us.

        Else reading it raises a ``MlpipesError``.
        """

    def snapshot(self, url: str) -> AbstractContextManager[DatabaseSnapshot]:
        """The database as it is now, for as long as the context lasts."""

    def loading(self, url: str) -> AbstractContextManager[Loading]:
        """Replace a database; without ``commit`` it stays as it was."""
