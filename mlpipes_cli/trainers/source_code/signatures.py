"""Resolves a dotted path to a callable and its parameters from the source, without importing.

The result is one of three: a :class:`CallSignature`; a :class:`Mistake`, which is certain; or None,
if only an import can decide (compiled modules, names created at run time). A worker process then
checks the path (``worker/jobs.py``) before any training starts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.source_code.sources import Definition, Finder, Import, Module

_NOT_HERE = (
    "; it is not installed here: install it, put it next to the experiment file, or give the run "
    "`environment: {{requirements: [{}]}}`"
)
_DEPTH = 30  # maximum number of re-exports and base classes to follow


@dataclass(frozen=True)
class CallSignature:
    """A callable and its parameters.

    Attributes:
        kind: ``object`` is an estimator instance, of which nothing more is known.
        parameters: Names that may be given by keyword, in order.
        required: Those without a default.
        is_open: Whether it accepts ``**keywords``, so that other names may be valid, too.
    """

    kind: Literal["class", "function", "object"]
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    is_open: bool = False


@dataclass(frozen=True)
class Unresolved:
    """The path does not exist; ``text`` says where it ends and suggests a name."""

    text: str


class _Unclear(Exception):
    """Only an import can decide."""


def resolve(path: str, finder: Finder) -> CallSignature | Unresolved | None:
    """Resolve a dotted path (``package.module.Name`` or ``module:name``)."""
    try:
        parts = path.replace(":", ".").split(".")
        return _resolve(parts, finder)
    except (_Unclear, OSError, RecursionError):
        return None
    except SyntaxError as error:
        return Unresolved(f"{path!r}: {error.filename}:{error.lineno}: {error.msg}")


def method_of(path: str, method: str, finder: Finder) -> CallSignature | None:
    """Return the signature of a method that a class has or inherits; None if the source does not show it."""
    try:
        module, rest = _deepest_module(path.replace(":", ".").split("."), finder)
        found = None if module is None or len(rest) != 1 else _lookup(module, rest[0], finder)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return None
        its = _method(found[0], found[1], finder, {method})
        return None if its is None else _of_arguments("function", its.args, skip=1)
    except (_Unclear, OSError, RecursionError, SyntaxError):
        return None


def _resolve(parts: list[str], finder: Finder) -> CallSignature | Unresolved:
    module, rest = _deepest_module(parts, finder)
    if module is None:
        suggestion = did_you_mean(parts[0], finder.top_level_names())
        return Unresolved(f"no module named {parts[0]!r}{suggestion or _NOT_HERE.format(parts[0])}")
    if not rest:
        return Unresolved(f"{'.'.join(parts)!r} is a module; name an object in it{_something_in(module)}")
    if len(rest) > 1:
        near = did_you_mean(rest[0], finder.submodules(module))
        certain = near or not (module.is_dynamic or module.stars)
        if rest[0] not in module.names and certain:
            return _no_such(module, rest[0], finder)
        raise _Unclear
    found = _lookup(module, rest[0], finder)
    if found is None:
        return _no_such(module, rest[0], finder)
    return _signature(*found, finder)


def _something_in(module: Module) -> str:
    public = [name for name, value in module.names.items() if isinstance(value, ast.ClassDef)]
    return f", such as {public[0]}" if public else ""


def _no_such(module: Module, name: str, finder: Finder) -> Unresolved:
    known = [*module.public(), *finder.submodules(module)]
    return Unresolved(f"no {name!r} in {module.name}{did_you_mean(name, known)}")


def _deepest_module(parts: list[str], finder: Finder) -> tuple[Module | None, list[str]]:
    module = finder.module(parts[0])
    if module is None:
        return None, parts
    for position in range(1, len(parts)):
        inner = finder.module(".".join(parts[: position + 1]))
        last = position == len(parts) - 1
        if inner is None or (last and parts[position] in module.names):
            return module, parts[position:]
        module = inner
    return module, []


def _lookup(module: Module, name: str, finder: Finder, depth: int = 0) -> tuple[Module, Definition] | None:
    """Find the definition of a name through re-exports; return None if it certainly does not exist."""
    if depth > _DEPTH:
        raise _Unclear
    found = module.names.get(name)
    if found is None:
        for star in module.stars:
            source = finder.module(star)
            if source is None:
                raise _Unclear
            if inner := _lookup(source, name, finder, depth + 1):
                return inner
        if module.is_dynamic:
            raise _Unclear
        return None
    if not isinstance(found, Import):
        return module, found
    if found.name is None:
        raise _Unclear
    source = finder.module(found.module)
    if source is None:
        raise _Unclear
    inner = _lookup(source, found.name, finder, depth + 1)
    if inner is None:
        raise _Unclear
    return inner


def _signature(module: Module, found: Definition, finder: Finder) -> CallSignature:
    if isinstance(found, ast.ClassDef):
        init = _method(module, found, finder, {"__init__", "__new__"})
        return _of_arguments("class", init.args, skip=1) if init else CallSignature("class")
    if isinstance(found, ast.FunctionDef):
        if found.decorator_list:
            raise _Unclear
        return _of_arguments("function", found.args, skip=0)
    if isinstance(found, ast.AsyncFunctionDef) or not isinstance(found.value, ast.Call):
        raise _Unclear
    return CallSignature("object")


def _method(
    module: Module, found: ast.ClassDef, finder: Finder, names: set[str], depth: int = 0
) -> ast.FunctionDef | None:
    """Return the method of one of these names that a class has or inherits; None if there is none."""
    if depth > _DEPTH or any(_is_dataclass(decorator) for decorator in found.decorator_list):
        raise _Unclear
    for statement in found.body:
        if isinstance(statement, ast.FunctionDef) and statement.name in names:
            return statement
    for base in found.bases:
        owner = _base(module, base, finder)
        if owner and (its := _method(*owner, finder, names, depth + 1)):
            return its
    return None


def _is_dataclass(decorator: ast.expr) -> bool:
    inner = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = inner.attr if isinstance(inner, ast.Attribute) else getattr(inner, "id", "")
    return name in {"dataclass", "define", "attrs", "s"}


def _base(module: Module, base: ast.expr, finder: Finder) -> tuple[Module, ast.ClassDef] | None:
    if isinstance(base, ast.Subscript):
        base = base.value
    names = list(_dotted(base))
    if names in (["object"], ["Generic"], ["Protocol"]):
        return None
    owner: Module | None = module
    for name in names[:-1]:
        assert owner is not None
        link = owner.names.get(name)
        if not isinstance(link, Import):
            raise _Unclear
        owner = finder.module(link.module if link.name is None else f"{link.module}.{link.name}")
        if owner is None:
            raise _Unclear
    assert owner is not None
    found = _lookup(owner, names[-1], finder) if names else None
    if found is None or not isinstance(found[1], ast.ClassDef):
        raise _Unclear
    return found[0], found[1]


def _dotted(expression: ast.expr) -> Iterator[str]:
    if isinstance(expression, ast.Attribute):
        yield from _dotted(expression.value)
        yield expression.attr
    elif isinstance(expression, ast.Name):
        yield expression.id
    else:
        raise _Unclear


def _of_arguments(kind: Literal["class", "function"], arguments: ast.arguments, skip: int) -> CallSignature:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = [argument.arg for argument in positional[: len(positional) - len(arguments.defaults)]]
    keyword = [argument.arg for argument in arguments.kwonlyargs]
    needed = [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    names = [argument.arg for argument in positional] + keyword
    return CallSignature(
        kind=kind,
        parameters=tuple(names[skip:]),
        required=(*required[skip:], *needed),
        is_open=arguments.kwarg is not None,
    )
