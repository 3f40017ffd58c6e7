"""Check whether an unpickled object behaves like the code that is compiled here.

A logged model contains the code of its preprocessing, so its classes are never the same objects as the
installed ones, and may be from another release. Its fitted values do not matter.
"""

from __future__ import annotations

from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

_OWN = "mlpipes_cli."
WORDS = frozenset({"_check_columns"})  # methods whose texts only word a refusal
_PLAIN = (bool, int, float, complex, str, bytes, tuple, frozenset, type(None))


def same_method(found: type, ours: type, name: str = "transform") -> bool:
    """Return whether a method of both classes is the same: its code, and all of the class that it uses."""
    seen: set[tuple[int, int]] = set()
    waiting, done = [name], {name}
    while waiting:
        theirs, own = _definitions(found, waiting[-1]), _definitions(ours, waiting.pop())
        if len(theirs) != len(own) or not all(map(lambda a, b: _same(a, b, seen), theirs, own)):
            return False
        bodies = [value.fget if isinstance(value, property) else value for value in own]
        used = {part for body in bodies if isinstance(body, FunctionType) for part in _names(body.__code__)}
        waiting += sorted(part for part in used - done if _definitions(ours, part))
        done |= used
    return True


def _definitions(kind: type, name: str) -> list[Any]:
    """Return what our classes among the bases define under the name, nearest first."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith(_OWN)]
    return [vars(base)[name] for base in ours if name in vars(base)]


def _same(found: Any, ours: Any, seen: set[tuple[int, int]]) -> bool:
    if found is ours or (id(found), id(ours)) in seen:
        return True
    seen.add((id(found), id(ours)))
    if isinstance(ours, FunctionType):
        return isinstance(found, FunctionType) and _same_functions(found, ours, seen)
    if isinstance(ours, (staticmethod, classmethod)):
        return type(found) is type(ours) and _same(found.__func__, ours.__func__, seen)
    if isinstance(ours, property):
        return type(found) is property and _same(found.fget, ours.fget, seen)
    if isinstance(ours, _PLAIN):
        return type(found) is type(ours) and bool(found == ours)
    if isinstance(ours, (ModuleType, BuiltinFunctionType, type)):
        return False  # identical objects were handled above
    return type(found) is type(ours) and repr(found) == repr(ours)


def _same_functions(found: FunctionType, ours: FunctionType, seen: set[tuple[int, int]]) -> bool:
    if not _same_code(found.__code__, ours.__code__, _constants(found), _constants(ours)):
        return False
    if repr(found.__defaults__) != repr(ours.__defaults__):
        return False
    if repr(found.__kwdefaults__) != repr(ours.__kwdefaults__):
        return False
    absent = object()
    return all(
        _same(found.__globals__.get(name, absent), ours.__globals__[name], seen)
        for name in _names(ours.__code__)
        if name in ours.__globals__
    )


def _names(code: CodeType) -> set[str]:
    inner = [_names(value) for value in code.co_consts if isinstance(value, CodeType)]
    return set(code.co_names).union(*inner)


def _constants(function: FunctionType) -> tuple[Any, ...]:
    """Return the constants of a function's code, without texts that change no result."""
    constants = function.__code__.co_consts
    if function.__name__ in WORDS:
        return tuple("" if isinstance(value, str) else value for value in constants)
    documented = function.__doc__ is not None and constants[:1] == (function.__doc__,)
    return (None, *constants[1:]) if documented else constants


def _same_code(
    found: CodeType, ours: CodeType, theirs: tuple[Any, ...] | None = None, own: tuple[Any, ...] | None = None
) -> bool:
    """Compare code; ``theirs`` and ``own`` are the constants to compare, if not the codes' own."""
    theirs, own = found.co_consts if theirs is None else theirs, ours.co_consts if own is None else own
    if found.co_code != ours.co_code or found.co_names != ours.co_names:
        return False
    if found.co_varnames != ours.co_varnames or len(theirs) != len(own):
        return False
    return all(
        _same_code(a, b)
        if isinstance(a, CodeType) and isinstance(b, CodeType)
        else type(a) is type(b) and repr(a) == repr(b)
        for a, b in zip(theirs, own, strict=True)
    )
