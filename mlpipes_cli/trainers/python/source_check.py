"""Compares the params of a run with the signature of the user's function, by reading it."""

from __future__ import annotations

from mlpipes_cli.config.yaml_source import Location
from mlpipes_cli.trainers.fit_arguments import WEIGHTS
from mlpipes_cli.trainers.python.settings import PythonRun
from mlpipes_cli.trainers.python.trainer import FILLED, POSITIONAL, without_weights
from mlpipes_cli.trainers.source_code.run_checks import SourceChecks
from mlpipes_cli.trainers.source_code.signatures import CallSignature, Unresolved, resolve
from mlpipes_cli.trainers.source_code.sources import Finder


def check(run: PythonRun, here: Location, checks: SourceChecks) -> bool:
    """Return whether the source code is conclusive; report the errors."""
    found = resolve(run.function, checks.finder)
    if isinstance(found, Unresolved):
        checks.say((*here, "function"), found.text)
    elif not isinstance(found, CallSignature) or found.kind != "function":
        return False
    elif len(found.parameters) < POSITIONAL:
        checks.say(
            (*here, "function"), f"{run.function} must accept the features and the target: (X, y, ...)"
        )
    else:
        known = found.parameters[POSITIONAL:]
        searched = run.search.space if run.search is not None else {}
        filled = {*FILLED, *found.parameters[:POSITIONAL], *searched}
        checks.names(checks.space(here), searched, known, found, run.function)
        if checks.names((*here, "params"), run.params, known, found, run.function):
            checks.required((*here, "params"), run.params, found, run.function, filled)
    return True


def weights(run: PythonRun, finder: Finder) -> str | None:
    """Return a message if the source code shows that the function does not take weights, else None."""
    found = resolve(run.function, finder)
    if not isinstance(found, CallSignature) or found.kind != "function":
        return None
    return None if WEIGHTS in found.parameters[POSITIONAL:] else without_weights(run.function)
