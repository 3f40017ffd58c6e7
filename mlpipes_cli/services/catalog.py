"""Find the definitions of services: those of this folder, and those of other installed packages.

A package adds a service by an entry point of the group ``mlpipes.services``: its name is the service's, its
object a :class:`~mlpipes_cli.services.definition.ServiceDefinition` with a ``compose`` file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from mlpipes_cli import services
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services.definition import ROLES, Role, ServiceDefinition, ServiceSecret

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mlpipes.services"
_NO_SERVICES = {"catalog", "definition", "probes"}


@lru_cache(maxsize=1)
def built_in() -> tuple[ServiceDefinition, ...]:
    """Return our own services: the database first, then by role and name."""
    names = {one.name for one in pkgutil.iter_modules(services.__path__)} - _NO_SERVICES
    modules = (importlib.import_module(f"{services.__name__}.{name}") for name in names)
    return _in_order(module.SERVICE for module in modules)


@lru_cache(maxsize=1)
def _of_others() -> tuple[dict[str, ServiceDefinition], dict[str, MlpipesError]]:
    """Return the services of other packages, and why the other ones cannot be used; ours keep their names."""
    from importlib.metadata import entry_points

    found: dict[str, ServiceDefinition] = {}
    errors: dict[str, MlpipesError] = {}
    ours = {one.name for one in built_in()}
    for point in entry_points(group=GROUP):
        if point.name not in ours:
            try:
                found[point.name] = _load(point)
            except MlpipesError as error:
                errors[point.name] = error
    return found, errors


def added() -> tuple[ServiceDefinition, ...]:
    """Return the services of other packages, as far as they can be used."""
    return _in_order(_of_others()[0].values())


def everything() -> tuple[ServiceDefinition, ...]:
    """Return all definitions, ours and those of other packages."""
    return _in_order((*built_in(), *added()))


def find(name: str) -> ServiceDefinition | None:
    """Return the definition of a service; None if there is none, as for a user's own."""
    ours = next((one for one in built_in() if one.name == name), None)
    return ours or _of_others()[0].get(name)


def require_usable(name: str) -> None:
    """Make sure that no package adds a service of this name that cannot be used.

    Raises:
        MlpipesError: One does.
    """
    if error := _of_others()[1].get(name):
        raise error


def get(name: str) -> ServiceDefinition:
    """Return the definition of one of our own services.

    Raises:
        KeyError: There is none.
    """
    return {one.name: one for one in built_in()}[name]


def timeout(name: str) -> float:
    """Return the seconds that a service has to answer after a start, also a user's own."""
    found = find(name)
    return found.timeout if found else ServiceDefinition.timeout


def optional(*, others: bool = True) -> tuple[str, ...]:
    """Return the names of the services that ``up --with`` adds, sorted; without ``others`` only ours."""
    return tuple(sorted(one.name for one in (everything() if others else built_in()) if one.optional))


def secrets(definitions: Iterable[ServiceDefinition], *, auth: bool = True) -> dict[str, ServiceSecret]:
    """Return the secrets of services by name; without those that only ``--auth`` uses if it is false."""
    return {
        secret.name: secret for one in definitions for secret in one.secrets if auth or not secret.with_auth
    }


def _in_order(found: Iterable[ServiceDefinition]) -> tuple[ServiceDefinition, ...]:
    return tuple(sorted(found, key=lambda one: (ROLES.index(one.role), one.name)))


def _named(role: Role) -> tuple[str, ...]:
    return tuple(one.name for one in built_in() if one.role == role)


def _load(point: EntryPoint) -> ServiceDefinition:
    try:
        found = point.load()
    except Exception as error:  # whatever code of another package raises
        raise _unusable(point, str(error) or type(error).__name__) from error
    if not (isinstance(found, ServiceDefinition) and found.name == point.name and found.compose):
        raise _unusable(point, f"expected a ServiceDefinition named {point.name!r} with a Compose file")
    return found


def _unusable(point: EntryPoint, why: str) -> MlpipesError:
    package = point.dist.name if point.dist else point.value
    return MlpipesError(
        f"the service {point.name!r} of the package {package} cannot be used: {why}",
        f"update or uninstall {package}",
    )


(DATABASE,) = _named("database")
STORES = _named("object store")
(MLFLOW,) = _named("tracking")
(API,) = _named("api")
WATCH, AIRFLOW = "watch", "airflow"
BY_SPEC = (API, WATCH, AIRFLOW)  # `Runtime.start` starts them from a specification, on every runtime
