"""Creates estimators from a dotted path and params, by importing them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import TrainingError


def is_nested(value: Any) -> bool:
    """Return whether a param's value names an estimator: ``{estimator: dotted.path, params: {...}}``."""
    if not isinstance(value, Mapping) or not set(value) <= {"estimator", "params"}:
        return False
    return isinstance(value.get("estimator"), str) and isinstance(value.get("params", {}), Mapping)


def load(path: str) -> Any:
    """Import the object of a path (``package.module.Name`` or ``module:name``).

    Raises:
        TrainingError: There is no such object, or its module cannot be imported.
    """
    parts = path.replace(":", ".").split(".")
    module, rest = _import(path, parts)
    found: Any = module
    for name in rest:
        if not hasattr(found, name):
            known = [public for public in dir(found) if not public.startswith("_")]
            owner = getattr(found, "__name__", path)
            raise TrainingError(f"{path!r}: no {name!r} in {owner}{did_you_mean(name, known)}")
        found = getattr(found, name)
    return found


def _import(path: str, parts: list[str]) -> tuple[Any, list[str]]:
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            return importlib.import_module(name), parts[end:]
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise TrainingError(
                    f"{path!r} needs the module {error.name!r}, which is not installed"
                ) from None
    raise TrainingError(f"{path!r}: no module named {parts[0]!r}")


def make(path: str, params: Mapping[str, Any]) -> Any:
    """Create an unfitted estimator from a class or a function that returns one, or copy an instance.

    Raises:
        TrainingError: The params are not accepted, or the result is not an estimator.
    """
    found = load(path)
    values = {name: value_of(value) for name, value in params.items()}
    if inspect.isclass(found) or inspect.isroutine(found):
        plain, nested = _split(found, values)
        try:
            estimator = found(**plain)
        except TypeError as error:
            raise TrainingError(f"{path}: {error}") from None
    else:
        from sklearn.base import clone

        estimator, nested = clone(found), values
    if not hasattr(estimator, "fit"):
        raise TrainingError(f"{path} returned a {type(estimator).__name__}, which has no `fit`")
    set_params(estimator, nested)
    return estimator


def _split(found: Any, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the params into arguments of the call and ``a__b`` names for ``set_params``."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return dict(values), {}
    nested = {name: value for name, value in values.items() if "__" in name and name not in parameters}
    return {name: value for name, value in values.items() if name not in nested}, nested


def value_of(value: Any) -> Any:
    """Return a param's value with its nested estimators created."""
    if is_nested(value):
        return make(value["estimator"], value.get("params", {}))
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if isinstance(value, Mapping):
        return {key: value_of(item) for key, item in value.items()}
    return value


def set_params(estimator: Any, params: Mapping[str, Any]) -> None:
    """Set params one by one (``a__b`` too), and create the estimators nested in them.

    Raises:
        TrainingError: The estimator has no param of that name.
    """
    for name, value in params.items():
        check_name(estimator, name)
        estimator.set_params(**{name: value_of(value)})


def check_name(estimator: Any, name: str) -> None:
    """Check that the estimator has such a parameter (``a__b`` too).

    Raises:
        TrainingError: There is no such parameter; the message suggests the nearest name.
    """
    known = estimator.get_params(deep=True)
    if name not in known:
        kind = type(estimator).__name__
        raise TrainingError(f"{kind} has no parameter {name!r}{did_you_mean(name, known)}")


def seed(estimator: Any, value: int, keep: Mapping[str, Any]) -> None:
    """Set the seed of every ``random_state`` that is not set yet, including those of nested estimators."""
    if not hasattr(estimator, "get_params"):
        return
    for name, present in sorted(estimator.get_params(deep=True).items()):
        ours = name == "random_state" or name.endswith("__random_state")
        if ours and present is None and name not in keep:
            estimator.set_params(**{name: value})
