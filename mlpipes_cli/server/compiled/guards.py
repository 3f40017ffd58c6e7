"""Whether an object out of a pickle is made by the code that is compiled here.

A logged model carries the code of its preprocessing with it, so its classes are never the same
objects as the installed ones, and may be those of another release.
"""

from __future__ import annotations

from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

_OWN = "mlpipes_cli."
_PLAIN = (bool, int, float, complex, str, bytes, tuple, frozenset, type(None))


def same_class(found: type, ours: type) -> bool:
    """Whether both classes do the same: same name, same bases, methods with the same code."""
    return _same(found, ours, set())


def _same(found: Any, ours: Any, seen: set[tuple[int, int]]) -> bool:
    if found is ours or (id(found), id(ours)) in seen:
        return True
    seen.add((id(found), id(ours)))
    if isinstance(ours, type):
        return isinstance(found, type) and _same_types(found, ours, seen)
    if isinstance(ours, FunctionType):
        return isinstance(found, FunctionType) and _same_functions(found, ours, seen)
    if isinstance(ours, (staticmethod, classmethod)):
        return type(found) is type(ours) and _same(found.__func__, ours.__func__, seen)
    if isinstance(ours, _PLAIN):
        return type(found) is type(ours) and bool(found == ours)
    if isinstance(ours, (ModuleType, BuiltinFunctionType)):
        return False  # they would have been identical
    return type(found) is type(ours) and repr(found) == repr(ours)


def _same_types(found: type, ours: type, seen: set[tuple[int, int]]) -> bool:
    if (found.__module__, found.__qualname__) != (ours.__module__, ours.__qualname__):
        return False
    if not ours.__module__.startswith(_OWN) or len(found.__mro__) != len(ours.__mro__):
        return False
    if any(not _same(a, b, seen) for a, b in zip(found.__mro__[1:], ours.__mro__[1:], strict=True)):
        return False
    names = {name for name, value in {**vars(found), **vars(ours)}.items() if _counts(name, value)}
    absent = object()
    return all(_same(vars(found).get(n, absent), vars(ours).get(n, absent), seen) for n in names)


def _counts(name: str, value: Any) -> bool:
    if isinstance(value, (FunctionType, staticmethod, classmethod)):
        # scikit-learn writes methods of its own into a class when it is made
        return getattr(value, "__module__", "").startswith(_OWN)
    return not name.startswith("_") and isinstance(value, _PLAIN)


def _same_functions(found: FunctionType, ours: FunctionType, seen: set[tuple[int, int]]) -> bool:
    if not _same_code(found.__code__, ours.__code__):
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


def _same_code(found: CodeType, ours: CodeType) -> bool:
    if found.co_code != ours.co_code or found.co_names != ours.co_names:
        return False
    if found.co_varnames != ours.co_varnames or len(found.co_consts) != len(ours.co_consts):
        return False
    return all(
        _same_code(a, b)
        if isinstance(a, CodeType) and isinstance(b, CodeType)
        else type(a) is type(b) and repr(a) == repr(b)
        for a, b in zip(found.co_consts, ours.co_consts, strict=True)
    )
