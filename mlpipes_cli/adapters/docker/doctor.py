"""Run the doctor checks of a stack in containers; the checks change nothing."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker import doctor_checks
from mlpipes_cli.adapters.docker.engine import capabilities
from mlpipes_cli.adapters.docker.images import service_images
from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
from mlpipes_cli.adapters.docker.stack.settings import definitions
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.doctor_checks import accounts, common, tried
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports import Check
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.adapters.processes.local_services import LocalServices
    from mlpipes_cli.compose.model import Service

_LITERAL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_MOVE = (
    "write `stack: {object_store: {engine: rustfs}}`; RustFS cannot read MinIO's files, so move the data: "
    "`mlpipes backup FILE`, `mlpipes down --volumes`, change the line, `mlpipes up`, `mlpipes restore FILE`"
)


def examine(
    project: ProjectFolder, extra: Sequence[str], auth: bool, local: LocalServices
) -> Sequence[Check]:
    """Run all checks; a check that raises an error is a fault with its reason.

    Args:
        project: The project of the stack.
        extra: Services beside the core.
        auth: Whether MLflow requires authentication.
        local: The local processes beside the containers.
    """
    active = [
        definition
        for definition in definitions(project.config)
        if not definition.optional or definition.name in extra
    ]
    checks = [
        *common(project, list(catalog.secrets(active, auth=auth))),
        tried("settings", lambda: _settings(project)),
    ]
    checks += [_listening(project, auth), tried("other accounts", lambda: accounts(auth)), _store(project)]
    found = _connected(checks)
    if found is not None:
        checks += _several("stack", lambda: _stack(project, extra, auth, found, local))
    return checks


def _connected(checks: list[Check]) -> DockerEngine | None:
    from mlpipes_cli.adapters.docker.engine.connection import connect

    try:
        engine = connect()
    except MlpipesError as error:
        checks.append(Check("docker engine", "fault", error.reason, error.hint))
        return None
    checks += _several("docker engine", lambda: _engine(engine))
    return engine


def _several(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(look())
    except MlpipesError as error:
        return [Check(name, "fault", error.reason, error.hint)]


def _engine(engine: DockerEngine) -> list[Check]:
    found = capabilities.read_capabilities(engine)
    where = "" if engine.local else f", on another machine ({engine.host})"
    api = engine.client.api.api_version
    free = (
        "" if found.free is None else f", {found.free / capabilities.GIGABYTE:.1f} GB free in {found.folder}"
    )
    size = f"{found.cpus} processors, {found.memory / capabilities.GIGABYTE:.1f} GB memory{free}"
    return [
        Check("docker engine", "ok", f"{found.version}, API {api}, by {engine.how}{where}"),
        Check("docker machine", "ok", size),
    ]


def _stack(
    project: ProjectFolder, extra: Sequence[str], auth: bool, engine: DockerEngine, local: LocalServices
) -> list[Check]:
    identity = StackIdentity(project)
    known = identity.known(engine)
    marks = known or identity.marks(f"{project.config.project}-000000")  # a stack that does not exist
    stack = DockerStack(project, engine, marks, env_file.read(project.env_file), auth)
    checks: list[Check] = []
    services = _services(stack, extra, checks)
    checks += [
        Check("docker machine", _level(finding[0]), *finding[1:]) for finding in _findings(engine, services)
    ]
    for service in services:
        checks.append(tried(f"{service.name} image", functools.partial(_image, engine, service)))
    checks += doctor_checks.ports(stack, services)
    checks += doctor_checks.running(stack, [service.name for service in services], made=known is not None)
    checks += [doctor_checks.process(row) for row in local.statuses()]
    if known is not None:
        checks += doctor_checks.volumes(stack, services)
    return checks


def _services(stack: DockerStack, extra: Sequence[str], checks: list[Check]) -> list[Service]:
    desired = DesiredState(stack, extra)
    try:
        services = desired.services(desired.compose({}))
    except MlpipesError as error:
        if stack.project.env_file.exists():
            checks.append(Check("description", "fault", "; ".join(error.lines()), error.hint))
        return []
    return services


def _findings(engine: DockerEngine, services: Sequence[Service]) -> list[tuple[str, str, str]]:
    return capabilities.findings(capabilities.read_capabilities(engine), services)


def _level(word: str) -> doctor_checks.Level:
    return "fault" if word == "fault" else "warning"


def _image(engine: DockerEngine, service: Service) -> Check:
    name = f"{service.name} image"
    found = service_images.find(engine, service)
    if found is None:
        how = "builds" if service.build else "fetches"
        return Check(name, "ok", f"{service.image} is not on the engine yet; `mlpipes up` {how} it")
    if service.build:
        return Check(name, "ok", f"{service.image}, built from this release's files")
    if found.digest_checked:
        return Check(name, "ok", f"{service.image}, verified by its digest")
    return Check(
        name,
        "warning",
        f"{service.image.partition('@')[0]} was built or loaded on this machine; its digest is not verified",
        "remove it with `docker rmi` and run `mlpipes up` while its registry is reachable",
    )


def _settings(project: ProjectFolder) -> Check:
    """Check whether mlpipes.yaml, which is committed, contains a password."""
    file = project.root / "mlpipes.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [
        number
        for number, line in enumerate(lines, start=1)
        if not line.lstrip().startswith("#") and _LITERAL.search(line)
    ]
    if found:
        where = ", ".join(f"{project.shown(file)}:{number}" for number in found)
        return Check(
            "settings",
            "warning",
            f"{where} contains a password",
            "remove it there, and set it in .env",
        )
    return Check("settings", "ok", f"no password in {project.shown(file)}")


def _listening(project: ProjectFolder, auth: bool) -> Check:
    listen = project.config.stack.listen
    if ipaddress.ip_address(listen).is_loopback:
        return Check("listening", "ok", f"on {listen}, for this machine only")
    if auth:
        return Check("listening", "ok", f"on {listen}; each service requires a password")
    return Check(
        "listening",
        "warning",
        f"on {listen}, and MLflow requires no password",
        "use `mlpipes up --auth`, or `listen: 127.0.0.1`",
    )


def _store(project: ProjectFolder) -> Check:
    if project.config.stack.object_store.engine == "minio":
        return Check(
            "object store",
            "warning",
            "the last official MinIO image is frozen: it receives no more fixes",
            _MOVE,
        )
    return Check("object store", "ok", "RustFS, which is maintained")
