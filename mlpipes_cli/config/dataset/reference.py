"""How an experiment names a version of a data set: ``dataset:NAME`` or ``dataset:NAME@VERSION``."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = "dataset:"


@dataclass(frozen=True)
class DatasetReference:
    """A data set, and the version of it.

    Attributes:
        name: The data set's name.
        version: The version's number; None for the newest.
    """

    name: str
    version: int | None = None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def source(self) -> str:
        """The reference as ``source:`` has it."""
        return f"{SCHEME}{self}"


def dataset_reference(source: object) -> DatasetReference | None:
    """Return the data set that a ``source:`` names, or None if it is another kind of source.

    Raises:
        ValueError: It is neither ``dataset:NAME`` nor ``dataset:NAME@VERSION``.
    """
    if not isinstance(source, str) or not source.startswith(SCHEME):
        return None
    found = re.fullmatch(r"([a-z][a-z0-9_]{0,49})(?:@([1-9][0-9]{0,8}))?", source[len(SCHEME) :].strip())
    if found is None:
        raise ValueError(f"{source!r}: write dataset:NAME, or dataset:NAME@3 for a version")
    return DatasetReference(found[1], int(found[2]) if found[2] else None)
