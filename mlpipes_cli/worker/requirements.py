"""The exact versions that a model needs to be loaded elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any

BASE = ("mlflow", "scikit-learn", "pandas", "numpy", "scipy", "cloudpickle", "pyarrow")


@lru_cache(maxsize=1)
def _owners() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())


@lru_cache(maxsize=4096)
def _distribution(name: str) -> tuple[str, str, tuple[str, ...]] | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return found.metadata["Name"], found.version, tuple(found.requires or ())


def locked(modules: Iterable[str]) -> list[str]:
    """``name==version`` of the distributions of some modules, the base, and all that they require."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    tops = {module.partition(".")[0] for module in modules}
    ours = {"mlpipes"}  # models carry the little of our code that they need
    roots = [name for top in tops for name in _owners().get(top, ())]
    waiting = [(name, frozenset[str]()) for name in (*BASE, *roots)]
    seen: set[tuple[str, frozenset[str]]] = set()
    pins: dict[str, str] = {}
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
        for text in found[2]:
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return sorted(pins.values())


def modules_of(model: Any, by_value: Iterable[ModuleType]) -> set[str]:
    """The modules that a model's parts, and the modules pickled with it, come from."""
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
