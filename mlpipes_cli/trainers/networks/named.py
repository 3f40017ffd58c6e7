"""Creates objects of a framework's classes from their names and arguments in YAML, and validates these."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import Problem, TrainingError

Location = tuple[str | int, ...]


class Named:
    """The classes of a module, by name.

    ``batch_normalization``, ``BatchNormalization`` and ``batchnormalization`` are the same.

    Args:
        module: The module.
        base: Their base class.
        kind: The word for such an object in messages.
        more: Names of further parameters that all of them accept.
        nested: Parameters whose value names another such class.
        filled: Arguments that the trainer passes to all of them.
    """

    def __init__(
        self,
        module: ModuleType,
        base: Any,
        kind: str,
        more: Iterable[str] = (),
        nested: Iterable[str] = (),
        filled: Mapping[str, Any] | None = None,
    ) -> None:
        found = {
            name: value
            for name, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, base) and value is not base
        }
        self._classes: dict[str, Any] = {_plain(name): value for name, value in found.items()}
        self.names = sorted(snake(name) for name in found)
        self.kind, self._more, self._nested = kind, tuple(more), tuple(nested)
        self._filled = dict(filled or {})

    def problems(self, given: Any, location: Location) -> list[Problem]:
        """Return the problems of a name and its arguments: locations and messages."""
        name, arguments = split(given)
        found = self._classes.get(_plain(name))
        if found is None:
            near = did_you_mean(name, self.names)
            return [(location, f"unknown {self.kind} {name!r}{near}")]
        here = (*location, name) if isinstance(given, Mapping) else location
        if not isinstance(arguments, Mapping):
            return self._making(given, here)
        known, is_open = self._takes(found)
        known = [key for key in known if key not in self._filled]
        problems: list[Problem] = []
        for key, value in arguments.items():
            if key not in known and not is_open:
                listed = f"; it accepts {', '.join(known[:8])}" + (", ..." if len(known) > 8 else "")
                near = did_you_mean(key, known) or listed
                problems.append(((*here, key), f"{name} does not accept {key!r}{near}"))
            elif key in self._nested:
                problems += self.problems(value, (*here, key))
        return problems or self._making(given, here)

    def make(self, given: Any, **more: Any) -> Any:
        """Create an object from a name and its arguments.

        Args:
            given: ``name``, ``{name: {argument: value}}`` or ``{name: first argument}``.
            more: Arguments to add if they are not given.

        Raises:
            TrainingError: There is no such name, or its class does not accept the arguments.
        """
        name, arguments = split(given)
        found = self._classes.get(_plain(name))
        if found is None:
            raise TrainingError(f"unknown {self.kind} {name!r}{did_you_mean(name, self.names)}")
        try:
            if isinstance(arguments, Mapping):
                made = {key: self._value(key, value) for key, value in arguments.items()}
                return found(**{**self._filled, **more, **made})
            return found(arguments, **self._filled, **more)
        except TrainingError:
            raise
        except Exception as error:  # noqa: BLE001 (a constructor may raise anything)
            raise TrainingError(f"{name}: {first_line(error)}") from None

    def _value(self, key: str, value: Any) -> Any:
        return self.make(value) if key in self._nested else value

    def _takes(self, found: Any) -> tuple[list[str], bool]:
        """Return the names of parameters, the class's own first, and whether any other is accepted too."""
        parameters = list(inspect.signature(found.__init__).parameters.values())[1:]
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        own = [item.name for item in parameters if item.kind in by_name]
        has_more = any(item.kind is item.VAR_KEYWORD for item in parameters)
        return [*own, *self._more] if has_more else own, has_more and not self._more

    def _making(self, given: Any, location: Location) -> list[Problem]:
        try:
            self.make(given)
        except TrainingError as error:
            return [(location, str(error))]
        return []


def split(given: Any) -> tuple[str, Any]:
    """Return name and arguments of ``name`` or ``{name: ...}``."""
    if isinstance(given, Mapping) and len(given) == 1:
        name, arguments = next(iter(given.items()))
        return str(name), {} if arguments is None else arguments
    return str(given), {}


def snake(name: str) -> str:
    """Convert ``GlobalAveragePooling2D`` to ``global_average_pooling2d``."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, or its class name."""
    return next((part.strip() for part in str(error).splitlines() if part.strip()), type(error).__name__)


def takes(
    function: Callable[..., Any], path: str, given: Mapping[str, Any], location: Location
) -> list[Problem]:
    """Return a problem for each given argument that the user's function does not accept."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return []
    if any(item.kind is item.VAR_KEYWORD for item in parameters.values()):
        return []
    return [
        ((*location, name), f"{path} does not accept {name!r}{did_you_mean(name, parameters)}")
        for name in given
        if name not in parameters
    ]


def call(
    function: Callable[..., Any], path: str, given: Mapping[str, Any], offered: Mapping[str, Any]
) -> Any:
    """Call the user's function with the given arguments, and with those offered ones that it accepts by name.

    Raises:
        TrainingError: The function does not accept an argument, or requires others.
    """
    if wrong := takes(function, path, given, ()):
        raise TrainingError(wrong[0][1])
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return function(**given)
    keywords = {name: value for name, value in offered.items() if name in signature.parameters} | dict(given)
    try:
        signature.bind(**keywords)
    except TypeError as error:
        raise TrainingError(f"{path}: {error}; mlpipes passes {', '.join(offered)} by name") from None
    return function(**keywords)
