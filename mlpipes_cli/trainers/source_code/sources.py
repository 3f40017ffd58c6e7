"""Reads Python source without running it: the locations of modules, and the names that they define.

Packages such as scikit-learn take seconds to import, but a typo in an experiment file has to be reported at
once. So this module never imports what it inspects.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Import:
    """An import, ``from module import name`` (name None: the module itself)."""

    module: str
    name: str | None


@dataclass(eq=False)
class Module:
    """A module that was found but not imported.

    Attributes:
        name: Its full name.
        file: Its Python source, or None (compiled, built in, a namespace package).
        locations: The folders of its submodules; None if it is not a package.
    """

    name: str
    file: Path | None
    locations: tuple[str, ...] | None
    _names: dict[str, Definition | Import] | None = field(default=None, repr=False)
    stars: list[str] = field(default_factory=list, repr=False)

    @property
    def readable(self) -> bool:
        """Whether its source shows its names."""
        return self.file is not None

    @property
    def names(self) -> dict[str, Definition | Import]:
        """The names that its top level defines; computing them also fills ``stars``.

        Raises:
            SyntaxError: Its source cannot be parsed.
        """
        if self._names is None:
            self._names = {}
            if self.file is not None:
                tree = ast.parse(self.file.read_bytes(), filename=str(self.file))
                for statement in _top_level(tree.body):
                    self._collect(statement)
        return self._names

    @property
    def is_dynamic(self) -> bool:
        """Whether it may have names that its source does not show."""
        return "__getattr__" in self.names or not self.readable

    def public(self) -> list[str]:
        """Return the public names, for suggestions."""
        return [name for name in self.names if not name.startswith("_")]

    def imports(self) -> set[str]:
        """Return the full names of modules and members that its code imports, even inside functions.

        Raises:
            SyntaxError: Its source cannot be parsed.
        """
        found: set[str] = set()
        if self.file is None:
            return found
        for node in ast.walk(ast.parse(self.file.read_bytes(), filename=str(self.file))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                found |= {source, *(f"{source}.{alias.name}" for alias in node.names if alias.name != "*")}
        return found

    def _collect(self, statement: ast.stmt) -> None:
        assert self._names is not None
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            self._names[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom):
            source = self._absolute(statement)
            for alias in statement.names:
                if alias.name == "*":
                    self.stars.append(source)
                else:
                    self._names[alias.asname or alias.name] = Import(source, alias.name)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                self._names[alias.asname or whole] = Import(whole, None)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    self._names[target.id] = statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            self._names[statement.target.id] = statement

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".")
        up = statement.level - (1 if self.locations is not None else 0)
        base = parts[: len(parts) - up] if up else parts
        return ".".join([*base, *([statement.module] if statement.module else [])])


def _top_level(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, including those under ``if`` and ``try``."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _top_level([*statement.orelse, *statement.body])
        elif isinstance(statement, ast.Try):
            handlers = [inner for handler in statement.handlers for inner in handler.body]
            yield from _top_level([*handlers, *statement.orelse, *statement.body, *statement.finalbody])
        elif isinstance(statement, ast.With):
            yield from _top_level(statement.body)
        else:
            yield statement


class Finder:
    """Finds modules as an import would, without importing them.

    Args:
        folders: Folders of the user's own modules, searched before ``sys.path``.
    """

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = list(folders)
        self.module = lru_cache(maxsize=None)(self._module)

    def _module(self, name: str) -> Module | None:
        parent_name, _, _ = name.rpartition(".")
        if parent_name:
            parent = self.module(parent_name)
            if parent is None or parent.locations is None:
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, list(parent.locations))
        else:
            spec = importlib.machinery.PathFinder.find_spec(name, [*self._folders, *sys.path])
            spec = spec or _by_hooks(name)
        return _module_of(name, spec) if spec else None

    def top_level_names(self) -> list[str]:
        """Return the names of the user's own modules and of installed ones, for suggestions."""
        from importlib.metadata import packages_distributions

        own = [path.stem for folder in self._folders for path in Path(folder).glob("*.py")]
        return [*own, *packages_distributions()]

    def submodules(self, module: Module) -> list[str]:
        """Return the public submodules of a package."""
        paths = [path for location in module.locations or () for path in Path(location).glob("*")]
        found = {p.stem for p in paths if p.suffix == ".py" or (p / "__init__.py").is_file()}
        return sorted(name for name in found if not name.startswith("_"))


def _by_hooks(name: str) -> importlib.machinery.ModuleSpec | None:
    """Find built-in modules, and packages that an editable install registers by an import hook."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _module_of(name: str, spec: importlib.machinery.ModuleSpec) -> Module:
    locations = spec.submodule_search_locations
    file = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") and spec.has_location else None
    return Module(name, file, None if locations is None else tuple(locations))
