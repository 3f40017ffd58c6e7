"""In which order services are started."""

from __future__ import annotations

from collections.abc import Collection

from mlpipes_cli.compose.model import Compose
from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean


def start_order(compose: Compose, names: Collection[str]) -> list[str]:
    """The named services and all that they need, each after what it needs.

    Steps are left out, but what they need is not: they are done in between. Where the file leaves
    a choice, its own order counts.

    Raises:
        UsageError: There is no service of that name, or services need each other in a circle.
    """
    order: list[str] = []
    in_file = [name for name in compose.services if name in names]
    unknown = [name for name in names if name not in compose.services]
    for name in (*in_file, *unknown):
        _visit(compose, name, (), order)
    return [name for name in order if compose.services[name].step is None]


def _visit(compose: Compose, name: str, above: tuple[str, ...], order: list[str]) -> None:
    if name in above:
        circle = " -> ".join((*above[above.index(name) :], name))
        raise UsageError(f"services need each other in a circle: {circle}", "take one `depends_on` away")
    if name not in compose.services:
        known = did_you_mean(name, compose.services) or f"; one of {', '.join(compose.services)}"
        raise UsageError(f"there is no service {name!r}{known}")
    if name in order:
        return
    for needed in compose.services[name].depends_on:
        _visit(compose, needed, (*above, name), order)
    order.append(name)
