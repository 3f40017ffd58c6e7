"""Determines the exact package versions that a model needs to be loaded elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.requirements import Requirement

BASE = ("mlflow", "mlflow-skinny", "scikit-learn", "pandas", "numpy", "scipy", "cloudpickle", "pyarrow")


@lru_cache(maxsize=1)
def _owners() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())


@lru_cache(maxsize=4096)
def _distribution(name: str) -> tuple[str, str, tuple[Requirement, ...]] | None:
    from importlib.metadata import PackageNotFoundError, distribution

    from packaging.requirements import Requirement

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return found.metadata["Name"], found.version, tuple(map(Requirement, found.requires or ()))


@lru_cache(maxsize=4096)
def _wanted(name: str, extras: frozenset[str]) -> list[Requirement]:
    """Return the requirements of a distribution in this environment."""
    found = _distribution(name)
    if found is None:
        return []
    environments = [{"extra": extra} for extra in extras] or [{"extra": ""}]
    return [
        requirement
        for requirement in found[2]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments)
    ]


def warm_up() -> None:
    """Look up all that does not depend on the model, for the benefit of forked processes."""
    _owners()
    locked(())


def locked(modules: Iterable[str], named: Iterable[str] = (), base: Iterable[str] = BASE) -> list[str]:
    """Return ``name==version`` of the distributions of some modules, the base, and all their requirements.

    Args:
        modules: Dotted names; what is not installed is left out.
        named: Distributions by name; ``name==version`` is kept even if it is not installed.
        base: Distributions that are always included.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    tops = {module.partition(".")[0] for module in modules}
    ours = {"mlpipes"}  # models contain the few modules of mlpipes that they need
    roots = [name for top in tops for name in _owners().get(top, ())]
    asked = [Requirement(text) for text in named]
    pins = {canonicalize_name(item.name): str(item) for item in asked if item.specifier}
    waiting = [(name, frozenset[str]()) for name in (*base, *roots, *(item.name for item in asked))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        key = canonicalize_name(name)
        if key in ours or (key, extras) in seen:
            continue
        seen.add((key, extras))
        found = _distribution(key)
        if found is None:
            continue
        pins[key] = f"{canonicalize_name(found[0])}=={found[1]}"
        waiting += [(item.name, frozenset(item.extras)) for item in _wanted(key, extras)]
    return sorted(pins.values())


def modules_of(model: Any, by_value: Iterable[ModuleType]) -> set[str]:
    """Return the modules that define a model's parts, and those that modules pickled with it import."""
    parts = [model, *_parameters(model)]
    steps = getattr(model, "steps", None) or []
    parts += [step[1] for step in steps if isinstance(step, tuple) and len(step) > 1]
    found = {type(part).__module__ for part in parts}
    for module in by_value:
        for value in vars(module).values():
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str):
                found.add(name)
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def _parameters(model: Any) -> list[Any]:
    try:
        return list(model.get_params(deep=True).values())
    except (AttributeError, TypeError):
        return []
