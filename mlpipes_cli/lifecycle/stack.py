"""The commands of the stack: up, down, restart, status, open, doctor, env."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlpipes_cli import stack_state
from mlpipes_cli.adapters.database_wiring import spooled
from mlpipes_cli.adapters.wiring import choose_runtime, make_runtime
from mlpipes_cli.compose import override
from mlpipes_cli.errors import Interrupted, MlpipesError, UsageError
from mlpipes_cli.lifecycle import single_service
from mlpipes_cli.lifecycle.airflow import service as airflow_service
from mlpipes_cli.lifecycle.monitoring.watching import service as watch_service
from mlpipes_cli.lifecycle.secrets import ensure_secrets, has_model_key, read_secrets
from mlpipes_cli.lifecycle.serving import api_names, api_status, service
from mlpipes_cli.lifecycle.transfer import recovery, release, retained_data
from mlpipes_cli.lifecycle.trust import project_vault, unsigned_versions
from mlpipes_cli.services import catalog
from mlpipes_cli.stack_state import StackState
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.ports import Check, Reporter, ServiceStatus, StackStatus
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.services.definition import ServiceDefinition

_SECRETS = "`mlpipes status --show-secrets` shows the password"


def up(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    runtime: str | None = None,
    extra: Sequence[str] = (),
    auth: bool | None = None,
) -> StackStatus:
    """Start or repair the stack and wait until every service answers.

    The choices are remembered for all later commands of the project.

    Args:
        project: The project whose stack is meant.
        reporter: Receives progress messages.
        runtime: docker, embedded, remote or auto; None uses ``mlpipes.yaml``.
        extra: Further services, beside those that were added before; ``none`` removes those.
        auth: Whether MLflow requires a name and a password; None leaves it as it is.

    Raises:
        UsageError: There is no such runtime or service, or the project's data is in another runtime.
        MlpipesError: A service does not start.
    """
    name, reason = choose_runtime(project, runtime)
    before = stack_state.read(project)
    chosen = _merged(before, name, extra, auth)
    if name != "docker" and (project.root / override.NAME).is_file():
        reporter.warn(f"{override.NAME} is ignored: the {name} runtime runs no containers")
    keyless = not has_model_key(project.root)
    if name != "remote":  # its passwords are made by others
        ensure_secrets(project.root)
    stack_state.write(project, chosen)
    made = make_runtime(project, chosen, reason)
    recovery.recover(project, made, reporter)
    dropped: tuple[str, ...] = ()
    if "none" in extra:
        dropped = (
            *service.drop(project, made, reporter),
            *single_service.drop(project, made, catalog.WATCH, reporter),
            *single_service.drop(project, made, catalog.AIRFLOW, reporter),
        )
    try:
        result = made.up(reporter)
    except MlpipesError:
        if name == "remote":  # nothing was started, so nothing exists yet
            stack_state.write(project, before)
        raise
    except KeyboardInterrupt:
        raise Interrupted("stopped before the stack was up", "`mlpipes up` continues from here") from None
    result = replace(result, changes=(*dropped, *result.changes))
    if api_names.NAME in chosen.services:
        result = service.bring(project, made, result, reporter)
    if watch_service.NAME in chosen.services:
        result = watch_service.bring(project, made, result, reporter)
    if airflow_service.NAME in chosen.services:
        result = airflow_service.bring(project, made, result, reporter)
    release.note(project, made)
    if keyless:
        unsigned_versions.warn_unsigned(
            project_vault.of(project, made.endpoints()), reporter, "registered before models were signed"
        )
    if runtime is None and project.config.runtime == "auto":
        why = result.reason.removeprefix("auto: ").removeprefix(f"{result.runtime}: ")
        reporter.info(f"runtime {result.runtime}, chosen by `auto`: {why}")
    if result.changes:
        for change in result.changes:
            reporter.info(change)
    else:
        reporter.info("everything is already running; nothing was changed")
    return result


def _merged(before: StackState, runtime: str, extra: Sequence[str], auth: bool | None) -> StackState:
    """Merge the earlier choices with the new ones.

    Raises:
        UsageError: The runtime has no such service, or no MLflow that could require a login.
    """
    known = catalog.optional()
    for name in extra:
        if name == "none":
            continue
        if name not in known:
            catalog.require_usable(name)
            raise UsageError(
                f"--with: there is no service {name!r}",
                f"{did_you_mean(name, known).removeprefix('; ')} choose from: {', '.join(known)}".strip(),
            )
        if not _runs(name, runtime):
            raise UsageError(
                f"--with {name}: the {runtime} runtime has no such service", "use `--runtime docker`"
            )
    if runtime == "remote" and auth is not None:
        raise UsageError("--auth: a remote MLflow has its own authentication settings", "remove the option")
    kept = () if "none" in extra else before.services
    kept = tuple(name for name in kept if _runs(name, runtime))
    added = tuple(name for name in extra if name != "none")
    services = tuple(dict.fromkeys((*kept, *added)))
    return StackState(runtime, services, before.auth if auth is None else auth)


def _runs(name: str, runtime: str) -> bool:
    """Return whether a runtime has a service; one whose package is gone is left to the Compose file."""
    found = catalog.find(name)
    return runtime in found.runtimes if found else runtime == "docker"


def down(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    volumes: bool = False,
    backups: bool = False,
    yes: bool = False,
) -> Sequence[str]:
    """Stop the stack; with ``volumes`` also remove its data, after confirmation, in every runtime.

    Args:
        project: The project whose stack is meant.
        reporter: Receives progress messages.
        volumes: Remove the data: that of the runtime, and data that an earlier runtime still holds.
        backups: Remove the backups in ``.mlpipes/`` too; without it they stay.
        yes: Do not ask for confirmation.

    Returns:
        The names of the services that were stopped.

    Raises:
        UsageError: There is no terminal to ask on and no ``yes``, or ``backups`` without ``volumes``.
        MlpipesError: The user declined, a process cannot be ended, a file cannot be removed, or
            predictions would be lost whose table stays.
    """
    if backups and not volumes:
        raise UsageError("--backups needs --volumes", "add --volumes")
    chosen = make_runtime(project)
    previous = {name: when for name, when in retained_data.read(project).items() if name != chosen.name}
    waiting = spooled(project.state / "spool").rows if volumes else 0
    if waiting and chosen.name == "remote":  # its table stays, and would never get them
        raise MlpipesError(
            f"{waiting} predictions in the spool are not in the remote database yet",
            "`mlpipes predictions replay` stores them; "
            f"or remove {project.shown(project.state / 'spool')} by hand",
        )
    if waiting:
        reporter.warn(f"{waiting} predictions in the spool are not in the database yet")
    if volumes and not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "--volumes removes runs, models and predictions, and there is no terminal to ask for "
                "confirmation",
                "add --yes",
            )
        if not reporter.confirm(_question(project, chosen.name, previous, backups)):
            raise MlpipesError("nothing was stopped or removed")
    old = [make_runtime(project, StackState(runtime=name)).forget(reporter) for name in previous if volumes]
    stopped = chosen.down(reporter, volumes=volumes)
    reporter.info(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    if volumes:
        also = " and the containers' volumes" if chosen.name == "docker" else ""
        lost = f", and {waiting} predictions of the spool" if waiting else ""
        also += "".join(f", {what}" for removed in old for what in removed)
        reporter.info(f"removed: {project.shown(project.state)}{also}{lost}")
        _settle_backups(project, reporter, remove=backups)
    return stopped


def _question(project: ProjectFolder, runtime: str, previous: Mapping[str, str], backups: bool) -> str:
    kept = "" if backups or not _backups(project) else " The backups are kept."
    old = "".join(f", and the old data of {name} (left {when})" for name, when in previous.items())
    if runtime == "remote":
        return f"remove everything in {project.state}{old}? The remote data is kept.{kept}"
    return f"remove all runs, models, artifacts and predictions of {project.root} ({runtime}){old}?{kept}"


def _backups(project: ProjectFolder) -> list[Path]:
    folder = project.backups
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _settle_backups(project: ProjectFolder, reporter: Reporter, *, remove: bool) -> None:
    """Remove the backups, or report that they stay."""
    files, folder = _backups(project), project.backups
    if remove:
        for path in files:
            path.unlink()
    elif files:
        reporter.info(
            f"kept: {len(files)} backups in {project.shown(folder)}; "
            "`mlpipes down --volumes --backups` removes them"
        )
    with contextlib.suppress(OSError):  # only if the folder is empty
        folder.rmdir()
        project.state.rmdir()


def status(project: ProjectFolder) -> StackStatus:
    """Return the present status of the stack."""
    result = make_runtime(project).status()
    rows = watch_service.report(api_status.report(project, result.services))
    rows = airflow_service.report(rows)
    if api_names.NAME in stack_state.read(project).services:
        rows = service.waiting(rows)
    return replace(result, services=rows)


def restart(project: ProjectFolder, service: str, reporter: Reporter) -> ServiceStatus:
    """Stop and start one service and wait until it answers.

    Raises:
        UsageError: There is no such service.
        MlpipesError: It does not start.
    """
    try:
        return make_runtime(project).restart(service, reporter)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped before {service} answered", "`mlpipes up` continues from here") from None


def restart_all(project: ProjectFolder, reporter: Reporter) -> StackStatus:
    """Stop the stack and start it again, on the same runtime; the data stays.

    Raises:
        MlpipesError: A service does not start.
    """
    down(project, reporter)
    return up(project, reporter)


@dataclass(frozen=True)
class Page:
    """The web page of a service.

    Attributes:
        url: The address without secrets.
        opened: The address with the page's token, if the page accepts one in its address.
        hint: How to log in otherwise; may be empty.
    """

    url: str
    opened: str = field(repr=False)
    hint: str = ""


def page(project: ProjectFolder, service: str) -> Page:
    """Return a service's web page.

    Raises:
        UsageError: There is no such service, or it has no page.
        MlpipesError: It is not running.
    """
    rows = {row.name: row for row in reversed(make_runtime(project).status().services)}
    if service not in rows:
        raise UsageError(
            f"there is no service {service!r}",
            f"{did_you_mean(service, rows).removeprefix('; ')} choose from: {', '.join(rows)}".strip(),
        )
    row = rows[service]
    if row.url is None:
        raise MlpipesError(f"{service} is not running ({row.state})", "start it with `mlpipes up`")
    if not row.url.startswith("http"):
        raise UsageError(f"{service} has no page for a browser", f"its address is {row.url}")
    found = catalog.find(service)
    url = _page_address(row.url, row.ports, found)
    login = found.login if found else None
    token = read_secrets(project.root).get(login.secret) if login and login.parameter else None
    opened = f"{url}/?{login.parameter}={quote(token)}" if login and token else url
    return Page(url, opened, _login(project, found) if found else "")


def _page_address(url: str, published: Sequence[str], service: ServiceDefinition | None) -> str:
    """Return the address of a service's page, which may have a port of its own, as an object store's."""
    if service is None or service.page is None:
        return url
    found = [re.search(rf":(\d+)->{service.page}/tcp", port) for port in published]
    port = next((match.group(1) for match in found if match), None)
    return re.sub(r":\d+$", f":{port}", url) if port else url


def _login(project: ProjectFolder, service: ServiceDefinition) -> str:
    if service.role == "tracking":
        variables = make_runtime(project).endpoints().login
        return f"log in as {variables['MLFLOW_TRACKING_USERNAME']}; {_SECRETS}" if variables else ""
    login = service.login
    if login and login.parameter:
        shown = f"`mlpipes status --show-secrets` shows {login.secret}"
        return f"if it asks for a {login.parameter}: {shown}"
    return f"log in as {login.user}; {_SECRETS}" if login else ""


def doctor(project: ProjectFolder) -> Sequence[Check]:
    """Run all checks of the stack and this machine."""
    from mlpipes_cli.lifecycle import projects  # it stops stacks by the functions of this module

    return [*make_runtime(project).doctor(), projects.doctor_check()]


def environment(project: ProjectFolder) -> Mapping[str, str]:
    """Return the environment variables for clients of the running stack.

    Raises:
        MlpipesError: The stack is not running.
    """
    return make_runtime(project).endpoints().environment()


def secrets(project: ProjectFolder) -> Mapping[str, str]:
    """Return the passwords, and the addresses with passwords of a running stack, for ``--show-secrets``."""
    try:
        return {**read_secrets(project.root), **environment(project)}
    except MlpipesError:
        return read_secrets(project.root)
