"""``mlpipes upgrade``: moves a stack to this release's versions, with a backup and a rollback."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import Interrupted, MlpipesError, UsageError
from mlpipes_cli.lifecycle.serving.api_names import is_api, target_of
from mlpipes_cli.lifecycle.transfer import release, upgrade_rollback
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.copy import copy
from mlpipes_cli.lifecycle.transfer.manifest import DATABASES, Manifest, content, words
from mlpipes_cli.lifecycle.transfer.release import Release
from mlpipes_cli.lifecycle.transfer.transfer_context import (
    backup_path,
    bring_up,
    one_at_a_time,
    require_nothing_unfinished,
)
from mlpipes_cli.lifecycle.trust import project_vault, unsigned_versions
from mlpipes_cli.ports import Reporter, Runtime
from mlpipes_cli.project import ProjectFolder

_OTHER_MAJOR = "not compatible with this version"  # PostgreSQL's message
_TABLES = "mlflow's tables"


@dataclass(frozen=True)
class Change:
    """A service or schema whose version differs in this release.

    Attributes:
        what: A service, or MLflow's tables.
        before: The present version.
        after: The version in this release.
    """

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Upgraded:
    """The result of an upgrade.

    Attributes:
        changes: The changed versions; empty if there was nothing to do.
        backup: The backup file made before, which is kept; None if there was nothing to do.
        seconds: How long it took.
    """

    changes: tuple[Change, ...]
    backup: Path | None
    seconds: float


def upgrade(project: ProjectFolder, reporter: Reporter, *, dry_run: bool = False) -> Upgraded:
    """Move a stack to the installed release; if it does not start, go back to the old one and its data.

    Raises:
        UsageError: The stack is remote, so others upgrade its services.
        MlpipesError: It failed; the message says what runs now.
    """
    began = time.monotonic()
    runtime = wiring.make_runtime(project)
    if runtime.name == "remote":
        raise UsageError(
            "mlpipes cannot upgrade a remote stack; its administrators do", "see `mlpipes doctor`"
        )
    try:
        with one_at_a_time(project, reporter):
            old = _present(project, runtime, reporter)
            changes = _changes(runtime, old, reporter)
            for change in changes:
                reporter.info(f"{change.what}: {_short(change.before)} -> {_short(change.after)}")
            if not changes or dry_run:
                reporter.info(
                    "nothing was changed" if changes else "everything is up to date with this release"
                )
                return Upgraded(changes, None, round(time.monotonic() - began, 3))
            _want_servable(project, runtime, reporter)
            path, manifest = _copy_and_stop(project, runtime, reporter)
            with _back_on_failure(project, runtime, old, path, manifest, reporter):
                bring_up(project, runtime, reporter)
                _want_healthy(runtime, manifest)
            release.note(project, runtime)
    except KeyboardInterrupt:
        raise Interrupted(
            "stopped before the upgrade was finished", "`mlpipes upgrade` starts it over"
        ) from None
    reporter.info(f"upgraded; the backup made before it is {project.shown(path)}")
    return Upgraded(changes, path, round(time.monotonic() - began, 3))


def _present(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> Release:
    """Return the stack's present versions; a stopped stack is started on exactly those.

    Raises:
        MlpipesError: It does not start.
    """
    written = release.read(project, runtime)
    with contextlib.suppress(MlpipesError):
        runtime.storage()
        versions = runtime.versions()
        return Release(written.mlpipes, runtime.name, versions)
    reporter.info("the stack is not running; starting it in its present version")
    versions = written.versions if runtime.name == "docker" else {}
    bring_up(project, runtime, reporter, versions)
    return Release(written.mlpipes, runtime.name, versions or runtime.versions())


def _changes(runtime: Runtime, old: Release, reporter: Reporter) -> tuple[Change, ...]:
    """Return the differences from this release; its images are present afterwards.

    Raises:
        MlpipesError: An image is not available.
    """
    new = runtime.release(reporter)
    found = [Change(name, old.versions.get(name, "-"), after) for name, after in new.items()]
    revision = wiring.make_databases().facts(runtime.storage().databases["mlflow"]).revision
    found.append(Change(_TABLES, revision or "-", wiring.newest_mlflow_revision()))
    mine = importlib.metadata.version("mlpipes")
    if old.mlpipes:
        found.append(Change("mlpipes", old.mlpipes, mine))
    return tuple(change for change in found if change.before != change.after)


def _want_servable(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> None:
    """Make sure that the stack's APIs can load their models afterwards; warn about other models.

    Raises:
        MlpipesError: An API could not, and nothing was changed.
    """
    vault = project_vault.of(project, runtime.endpoints())
    services = wiring.remembered_services(project)
    served = [target_of(spec) for name, spec in services.items() if is_api(name)]
    found = [
        version
        for version in unsigned_versions.known(vault)
        if any(target.model in (None, version.model) and target.alias == version.alias for target in served)
    ]
    if found:
        raise MlpipesError(
            f"the API would not restart, since this project did not sign these models: "
            f"{unsigned_versions.listed(found)}; nothing was changed",
            f"{unsigned_versions.TRUST_ALL}, then upgrade",
        )
    unsigned_versions.warn_unsigned(vault, reporter, "models are not signed by this project")


def _copy_and_stop(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> tuple[Path, Manifest]:
    """Back up the data while nothing changes it; then stop the stack.

    Raises:
        MlpipesError: Something cannot be read or written; the stack runs again then.
    """
    require_nothing_unfinished(project, runtime, runtime.storage())
    path = backup_path(project, "upgrade")
    with runtime.paused(reporter):
        storage, databases = runtime.storage(), wiring.make_databases()
        copy(storage, databases, path, reporter, project=project, runtime=runtime.name)
        manifest = check(path, databases)
        runtime.down(reporter)
    return path, manifest


@contextlib.contextmanager
def _back_on_failure(
    project: ProjectFolder, runtime: Runtime, old: Release, path: Path, manifest: Manifest, reporter: Reporter
) -> Iterator[None]:
    """Start the old versions again, with the old data, if the block fails."""
    try:
        yield
    except BaseException as error:
        reporter.warn("the upgrade failed; going back to the earlier release")
        upgrade_rollback.go_back(project, runtime, old, path, manifest, reporter, _reason(error))
        if isinstance(error, MlpipesError):
            raise _explained(error, path) from None
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, MlpipesError):
        return error.reason
    return "it was stopped" if isinstance(error, KeyboardInterrupt) else type(error).__name__


def _explained(error: MlpipesError, path: Path) -> MlpipesError:
    if _OTHER_MAJOR in error.reason:
        hint = (
            "a new PostgreSQL cannot read the old one's files; move the data with the new release: "
            f"`mlpipes down --volumes`, `mlpipes up`, `mlpipes restore` of a copy of {path}"
        )
    else:
        hint = f"the earlier release is running again; the backup is {path}"
    return MlpipesError(f"the upgrade failed: {error.reason}", hint)


def _want_healthy(runtime: Runtime, manifest: Manifest) -> None:
    """Make sure that all services answer and no data is lost.

    Raises:
        MlpipesError: A service does not answer, or data is lost.
    """
    broken = [service.name for service in runtime.status().services if service.state != "running"]
    if broken:
        raise MlpipesError(f"{', '.join(broken)} does not answer after the upgrade", "see `mlpipes logs`")
    urls, databases = runtime.storage().databases, wiring.make_databases()
    found = content({name: databases.facts(urls[name]).rows for name in DATABASES})
    wanted: Mapping[str, int] = content(manifest.rows)
    lost = {name: wanted[name] - found[name] for name in wanted if found[name] < wanted[name]}
    if lost:
        raise MlpipesError(f"after the upgrade {words(lost)} are missing", "see `mlpipes logs mlflow`")


def _short(version: str) -> str:
    """Return an image's id as Docker shows it."""
    return version.removeprefix("sha256:")[:12] if version.startswith("sha256:") else version
