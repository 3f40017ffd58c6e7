"""Compares a run with the signatures of the estimators that it names, by reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpipes_cli.config.yaml_source import Location
from mlpipes_cli.trainers.fit_arguments import WEIGHTS, without_weights
from mlpipes_cli.trainers.sklearn.settings import SklearnRun
from mlpipes_cli.trainers.source_code.run_checks import SourceChecks
from mlpipes_cli.trainers.source_code.signatures import CallSignature, Unresolved, method_of, resolve
from mlpipes_cli.trainers.source_code.sources import Finder


def check(run: SklearnRun, here: Location, checks: SourceChecks) -> bool:
    """Return whether the source code is conclusive; report the errors."""
    clear, signature = _estimator(here, run.estimator, run.params, checks)
    if run.search is not None:
        clear = _search(here, run, signature, checks) and clear
    return clear


def weights(run: SklearnRun, finder: Finder) -> str | None:
    """Return a message if the source code shows that the estimator does not support weights, else None."""
    its = method_of(run.estimator, "fit", finder)
    if its is None or its.is_open or WEIGHTS in its.parameters:
        return None
    return without_weights(run.estimator.rpartition(".")[2])


def _estimator(
    here: Location, path: str, params: Mapping[str, Any], checks: SourceChecks
) -> tuple[bool, CallSignature | None]:
    """Return whether path and params are known to fit, and the call signature of the path."""
    found = resolve(path, checks.finder)
    clear = _nested((*here, "params"), params, checks)
    if isinstance(found, Unresolved):
        checks.say((*here, "estimator"), found.text)
        return clear, None
    if found is None or found.kind == "object":
        return False, found
    plain = {name: value for name, value in params.items() if "__" not in name or name in found.parameters}
    owner = path.rpartition(".")[2]
    if checks.names((*here, "params"), plain, found.parameters, found, owner):
        checks.required((*here, "params"), params, found, owner, set())
    return clear and len(plain) == len(params), found


def _nested(here: Location, value: Any, checks: SourceChecks) -> bool:
    """Check the estimators inside params."""
    if isinstance(value, Mapping):
        inner = value.get("estimator")
        if len(here) > 3 and isinstance(inner, str) and set(value) <= {"estimator", "params"}:
            params = value.get("params", {})
            return _estimator(here, inner, params if isinstance(params, Mapping) else {}, checks)[0]
        clear = [_nested((*here, key), item, checks) for key, item in value.items()]
        return all(clear)
    if isinstance(value, (list, tuple)):
        clear = [_nested((*here, index), item, checks) for index, item in enumerate(value)]
        return all(clear)
    return True


def _search(here: Location, run: SklearnRun, signature: CallSignature | None, checks: SourceChecks) -> bool:
    assert run.search is not None
    location = checks.space(here)
    clear = _nested(location, run.search.space, checks)
    if signature is None or signature.kind != "class" or signature.is_open:
        return False
    plain = {name: value for name, value in run.search.space.items() if "__" not in name}
    checks.names(location, plain, signature.parameters, signature, run.estimator.rpartition(".")[2])
    return clear and len(plain) == len(run.search.space)
