"""Copy a whole database, and replace a whole database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class DatabaseFacts:
    """The content of a database in numbers.

    Attributes:
        server: The server's version.
        size: Bytes on disk, including indexes.
        rows: Number of rows in each table, by ``schema.table``.
        revision: The version of MLflow's tables; None if the database has none.
        locations: Artifact locations that MLflow's registry records for finished models and versions.
    """

    server: str
    size: int
    rows: Mapping[str, int]
    revision: str | None
    locations: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """The content that a database would have after a commit.

    Attributes:
        rows: Number of rows in each table, by ``schema.table``.
        revision: The version of MLflow's tables, or None.
    """

    rows: Mapping[str, int]
    revision: str | None


class DatabaseSnapshot(Protocol):
    """A database as it was at one point in time."""

    @property
    def facts(self) -> DatabaseFacts:
        """The content of the snapshot."""

    def dump(self, target: Path) -> None:
        """Write the snapshot as an SQL script.

        Raises:
            MlpipesError: The database cannot be read, or the file cannot be written.
        """


class Loading(Protocol):
    """A database that is being replaced, in a transaction that is still open."""

    def load(self, script: BinaryIO) -> None:
        """Drop the present content and run a script of ``DatabaseSnapshot.dump``, invisible to others.

        Raises:
            MlpipesError: The server refuses the script, the tables are in use, or the script does not pass
                :meth:`Databases.examined`.
        """

    def holds(self) -> Holding:
        """Return the content that the database would have after a ``commit``."""

    def commit(self) -> None:
        """Commit the transaction.

        Raises:
            MlpipesError: The server did not confirm the commit; compare :meth:`Databases.identity` to find
                out.
        """


class Databases(Protocol):
    """Databases by their owner's ``postgresql://`` address. Every method may raise a ``MlpipesError``."""

    def facts(self, url: str) -> DatabaseFacts:
        """Return the content of a database in numbers."""

    def identity(self, url: str) -> str:
        """Return a text that changes if a table is replaced, or if a table or row is added or removed."""

    def examined(self, script: BinaryIO) -> BinaryIO:
        """Return a stream that can be read once, if the script is complete and does not end our transaction.

        Otherwise reading it raises a ``MlpipesError``.
        """

    def snapshot(self, url: str) -> AbstractContextManager[DatabaseSnapshot]:
        """Open a snapshot of the database for as long as the context lasts."""

    def loading(self, url: str) -> AbstractContextManager[Loading]:
        """Replace a database; without ``commit`` it stays as it was."""
