"""Compares what a run names with the source code of it, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.source_code.signatures import CallSignature
from mlpipes_cli.trainers.source_code.sources import Finder


class SourceChecks:
    """Collects the errors of a file's runs.

    A trainer's ``source_check`` is a function ``(run, here, checks)``. It tells the mistakes, and returns
    whether the source code is conclusive; if not, the run is checked by importing what it names.

    Attributes:
        finder: Finds modules without importing them.
        problems: A line for each mistake.
    """

    def __init__(self, source: YamlSource, finder: Finder) -> None:
        self._source, self.finder = source, finder
        self.problems: list[str] = []

    def say(self, location: Location, text: str) -> None:
        """Add an error."""
        self.problems.append(self._source.problem(location, text))

    def space(self, here: Location) -> Location:
        """Return the location of a search's space; in the short form the search itself is the space."""
        location: Location = (*here, "search")
        return (*location, "space") if (*location, "space") in self._source.lines else location

    def names(
        self,
        here: Location,
        given: Mapping[str, Any],
        known: Sequence[str],
        signature: CallSignature,
        owner: str,
    ) -> bool:
        """Return whether all names are known; tell those that are not."""
        wrong = [] if signature.is_open else [name for name in given if name not in known]
        for name in wrong:
            listed = f"; it accepts {', '.join(known[:8])}" + (", ..." if len(known) > 8 else "")
            suggestion = did_you_mean(name, known) or (listed if known else "; it accepts no parameters")
            self.say((*here, name), f"{owner} does not accept {name!r}{suggestion}")
        return not wrong

    def required(
        self, here: Location, given: Mapping[str, Any], signature: CallSignature, owner: str, filled: set[str]
    ) -> None:
        """Tell which required parameters are neither given nor filled in by the trainer."""
        absent = [name for name in signature.required if name not in given and name not in filled]
        if absent:
            self.say(here, f"{owner} needs {', '.join(map(repr, absent))}")
