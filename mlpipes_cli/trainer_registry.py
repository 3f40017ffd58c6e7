"""The registry of trainers: built-in ones and those of other installed packages.

A trainer is a folder with ``definition.py``, whose ``DEFINITION`` is a :class:`TrainerDefinition`. The
built-in ones are the folders of ``mlpipes_cli/trainers`` that have such a file: there is no list of them, and
they are found in the environments of runs too, where mlpipes is not installed. Another package adds a trainer
by an entry point of the group ``mlpipes.trainers``: its name is the value of ``trainer:`` in an experiment
file, its object the definition. The object may also be the trainer's class, which then checks runs itself.

A definition names its parts as ``module:attribute``; what it names is imported when it is used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "mlpipes.trainers"
DEFINITION = "definition.py"
_FOLDER = Path(__file__).parent / "trainers"


class BrokenTrainer(MlpipesError):
    """What another package brings as a trainer cannot be used."""


@dataclass(frozen=True)
class TrainerDefinition:
    """What mlpipes has to know of a trainer before anything of it is imported.

    Attributes:
        trainer: The class, which implements ``mlpipes_cli.trainers.base.Trainer``.
        settings: The model of its run in an experiment file, a subclass of
            ``mlpipes_cli.config.runs.Run``; if empty, any keys are accepted, and the trainer checks them.
        source_check: A function that compares a run with the source code of what it names, without an import
            (see ``mlpipes_cli.trainers.source_code.run_checks``); if empty, the trainer's ``check`` does it.
        summary: What it trains, for the documentation.
        memory: GiB of memory that training takes at least.
        disk: GiB that its environment takes on the disk while it is built.
        images: Whether it accepts images.
        checks_search: Whether its ``check`` compares the names of a search with the params that there are.
        searches_side_by_side: Whether the trials of a search may run at the same time, as one thread each.
        weights: Whether it gives the weights of the rows to the fit; if not, its runs are refused where rows
            have weights.
        weights_check: A function ``(run, finder)`` that reads the source code of what a run names and returns
            a message if that does not support weights, else None.
    """

    trainer: str
    settings: str = ""
    source_check: str = ""
    summary: str = ""
    memory: float = 0.0
    disk: float = 1.0
    images: bool = False
    checks_search: bool = False
    searches_side_by_side: bool = False
    weights: bool = False
    weights_check: str = ""


@dataclass(frozen=True)
class RegisteredTrainer:
    """A trainer that there is.

    Attributes:
        name: The value of ``trainer:``.
        definition: What it says of itself.
        folder: The folder of the definition, which describes its environment too; None without a definition.
        distribution: The installed package that adds it; None for a built-in one.
    """

    name: str
    definition: TrainerDefinition
    folder: Path | None
    distribution: Distribution | None = None

    @property
    def package(self) -> str:
        """The name of the installed package that adds it, for messages."""
        return "mlpipes" if self.distribution is None else str(self.distribution.metadata["Name"])


@lru_cache(maxsize=1)
def built_in() -> tuple[str, ...]:
    """Return the names of the built-in trainers, sorted."""
    return tuple(sorted(file.parent.name for file in _FOLDER.glob(f"*/{DEFINITION}")))


@lru_cache(maxsize=1)
def added() -> dict[str, EntryPoint]:
    """Return the trainers of other packages by name; built-in names are excluded."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in built_in()}


def names() -> tuple[str, ...]:
    """Return the names of all trainers, the built-in ones first."""
    return (*built_in(), *sorted(added()))


@lru_cache(maxsize=64)
def find(name: str) -> RegisteredTrainer | None:
    """Return the trainer of that name, or None.

    Raises:
        BrokenTrainer: Another package has it, and its definition cannot be imported.
    """
    if name in built_in():
        definition = load(f"mlpipes_cli.trainers.{name}.definition:DEFINITION")
        return RegisteredTrainer(name, definition, _FOLDER / name)
    point = added().get(name)
    if point is None:
        return None
    try:
        found = load(point.value)
    except Exception as error:
        raise BrokenTrainer(broken(name, point.dist, error)) from error
    if not isinstance(found, TrainerDefinition):
        alone = TrainerDefinition(point.value, weights=bool(getattr(found, "takes_weights", False)))
        return RegisteredTrainer(name, alone, None, point.dist)
    return RegisteredTrainer(name, found, _folder_of(point.module), point.dist)


def definition(name: str) -> TrainerDefinition:
    """Return what a trainer says of itself.

    Raises:
        KeyError: There is no trainer of that name.
        BrokenTrainer: Another package has it, and its definition cannot be imported.
    """
    found = find(name)
    if found is None:
        raise KeyError(name)
    return found.definition


def clear() -> None:
    """Forget what is installed, so that the next call looks again."""
    for known in (built_in, added, find):
        known.cache_clear()


def load(location: str) -> Any:
    """Import what ``module:attribute`` names.

    Raises:
        ImportError: There is no such module, or one that it needs is missing.
        AttributeError: The module has no such attribute.
    """
    module, _, attribute = location.partition(":")
    return getattr(importlib.import_module(module), attribute)


def broken(name: str, distribution: Distribution | None, error: Exception) -> str:
    """Return the message for a trainer of another package that cannot be imported."""
    package = "another package" if distribution is None else f"the package {distribution.metadata['Name']!r}"
    message = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"the trainer {name!r} of {package} cannot be imported: {type(error).__name__}: {message}"


def _folder_of(module: str) -> Path | None:
    file = getattr(importlib.import_module(module), "__file__", None)
    return Path(file).parent if file else None
