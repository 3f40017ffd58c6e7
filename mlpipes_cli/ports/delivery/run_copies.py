"""Copies of runs from one tracking server to another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class RunCopies(Protocol):
    """Copies runs with all that belongs to them to one server, whose key signs the copied models.

    A copy is complete or invisible: it has the tags that make a run a candidate only when all else is stored.
    """

    def find(self, run_id: str) -> str | None:
        """Return the id of the complete copy of a run of another server, or None."""

    def copy(self, run_id: str, model: Path, tags: Mapping[str, str], files: Mapping[str, str]) -> str:
        """Copy a run; what an interrupted call left of it is removed first.

        Args:
            run_id: The run on the other server.
            model: Its model's verified files; they get the copy's ids and signature.
            tags: The copy's tags, instead of the run's own.
            files: Further artifacts of the copy: their texts by name.

        Returns:
            The copy's id.

        Raises:
            MlpipesError: A server does not answer, or refuses.
        """
