"""Order in which services are started."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mlpipes_cli.compose.model import Compose
from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean


def start_order(compose: Compose, names: Collection[str]) -> list[str]:
    """Return the named services and those that they depend on, each after its dependencies.

    Steps are left out: the caller runs them in between. A service that only a step needs is put before the
    services that wait for the step, but it is not added. Otherwise the file's own order is kept.

    Raises:
        UsageError: There is no service of that name, or the services depend on each other in a circle.
    """
    for name in names:
        if name not in compose.services:
            known = did_you_mean(name, compose.services) or f"; use one of {', '.join(compose.services)}"
            raise UsageError(f"there is no service {name!r}{known}")
    order: list[str] = []
    for name in compose.services:
        if name in names:
            _visit(compose, name, (), order)
    wanted = _wanted(compose, names)
    return [name for name in order if name in wanted]


def circle(compose: Compose) -> list[str]:
    """Return the names of services that depend on each other in a circle, or an empty list."""
    order: list[str] = []
    for name in compose.services:
        try:
            _visit(compose, name, (), order)
        except _Circle as error:
            return error.names
    return []


class _Circle(UsageError):
    def __init__(self, names: list[str]) -> None:
        super().__init__(f"circular dependency between services: {' -> '.join(names)}")
        self.names = names


def _visit(compose: Compose, name: str, above: tuple[str, ...], order: list[str]) -> None:
    if name in above:
        raise _Circle([*above[above.index(name) :], name])
    if name in order:
        return
    for needed in compose.services[name].depends_on:
        _visit(compose, needed, (*above, name), order)
    order.append(name)


def _wanted(compose: Compose, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    left = list(names)
    while left:
        service = compose.services[left.pop()]
        if service.step is None and service.name not in found:
            found.add(service.name)
            left.extend(service.depends_on)
    return found
