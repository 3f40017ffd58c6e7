"""Finds the user's modules and the installed packages that a run uses, by reading, not importing them."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlpipes_cli.trainers.source_code.sources import Finder, Module

# packages of every run in our own environment, and their modules
ALWAYS = {"scikit-learn": "sklearn", "numpy": "numpy", "scipy": "scipy", "pandas": "pandas"}
_PATH = re.compile(r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Code:
    """The code that a run uses.

    Attributes:
        own: SHA-256 of the user's modules, by their names.
        packages: Versions of the installed packages, by their names.
    """

    own: Mapping[str, str]
    packages: Mapping[str, str]


def code_of(spec: Mapping[str, Any], folders: Sequence[str]) -> Code:
    """Follow every dotted path in a run, and the imports of the user's own modules.

    Args:
        folders: Folders that are searched for the user's modules.
    """
    finder = Finder(folders)
    roots = [Path(folder).resolve() for folder in folders]
    waiting = [path.replace(":", ".") for path in _paths(spec)]
    own: dict[str, str] = {}
    packages: set[str] = set()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        waiting.append(name.rpartition(".")[0])  # a package's own code runs before its modules
        module = finder.module(name)
        if module is None:
            continue
        if not _is_own(module, roots):
            packages.add(name.partition(".")[0])
            continue
        assert module.file is not None
        own[name] = hashlib.sha256(module.file.read_bytes()).hexdigest()
        try:
            waiting += module.imports()
        except SyntaxError:
            continue
    return Code(own, _versions(packages))


def _paths(value: Any) -> Iterator[str]:
    """Yield all words in a run that look like a dotted path."""
    if isinstance(value, str):
        if _PATH.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item)


def _is_own(module: Module, roots: Sequence[Path]) -> bool:
    if module.file is None:
        return False
    file = module.file.resolve()
    return "site-packages" not in file.parts and any(file.is_relative_to(root) for root in roots)


def _versions(modules: set[str]) -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for module in sorted(modules) for name in distributions_of(module)}


def distributions_of(module: str) -> list[str]:
    """Return the installed packages, other than ours and ``ALWAYS``, that provide a top-level module."""
    from importlib.metadata import PackageNotFoundError, version

    if not module or module in sys.stdlib_module_names or module in ("mlpipes_cli", *ALWAYS.values()):
        return []
    try:
        version(module)
    except PackageNotFoundError:
        return sorted(set(_distributions().get(module, [])))
    return [module]


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    from importlib.metadata import packages_distributions

    return packages_distributions()  # this reads the metadata of all installed packages
