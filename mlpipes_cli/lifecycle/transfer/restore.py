"""``mlpipes restore FILE``."""

from __future__ import annotations

import time
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import Interrupted, MlpipesError
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.backup import BackupResult, carried
from mlpipes_cli.lifecycle.transfer.manifest import DATABASES, Manifest, content, words
from mlpipes_cli.lifecycle.transfer.replace import replace
from mlpipes_cli.lifecycle.transfer.transfer_context import agreed, bring_up, journal, one_at_a_time
from mlpipes_cli.lifecycle.trust.unsigned_versions import TRUST_ALL
from mlpipes_cli.ports import Reporter, Runtime
from mlpipes_cli.ports.dumps import Databases
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.signing import keys


def restore(project: ProjectFolder, path: Path, reporter: Reporter, *, yes: bool = False) -> BackupResult:
    """Replace all data by a backup file's, after confirmation if there is any data.

    Raises:
        UsageError: There is no such file, or there is no terminal to ask on.
        MlpipesError: The file is damaged, the user declined, or it failed: the old data is kept then.
    """
    began = time.monotonic()
    manifest = checked(path, reporter)
    runtime = wiring.make_runtime(project)
    databases = wiring.make_databases()
    try:
        with one_at_a_time(project, reporter):
            bring_up(project, runtime, reporter)
            want_fitting(runtime, databases, manifest, path)
            ask(project, runtime, databases, reporter, yes=yes)
            tell_key(project, manifest, reporter)
            into(project, runtime, databases, path, manifest, reporter)
    except KeyboardInterrupt:
        raise Interrupted(
            "stopped before the restore was finished", f"`mlpipes restore {path}` starts it over"
        ) from None
    result = carried(path, manifest, began)
    what = words(result.content | {"artifacts": result.artifacts}) or "an empty stack"
    reporter.info(f"restored from {path} of {manifest.created}: {what}")
    return result


def checked(path: Path, reporter: Reporter) -> Manifest:
    """Read the whole file, compare every checksum, and check that this release can restore it.

    Raises:
        UsageError: There is no such file.
        MlpipesError: It is damaged, or from a newer release.
    """
    size = path.stat().st_size if path.is_file() else 0
    with reporter.task(f"checking {path.name}", total=size / 1e6) as task:
        manifest = check(path, wiring.make_databases(), lambda step: task.advance(step / 1e6))
    if manifest.revision and manifest.revision not in wiring.mlflow_revisions():
        raise MlpipesError(
            f"{path} comes from mlpipes {manifest.mlpipes} with MLflow {manifest.mlflow}, whose tables are "
            "newer than this release knows",
            f"install mlpipes {manifest.mlpipes} or newer",
        )
    return manifest


def want_fitting(runtime: Runtime, databases: Databases, manifest: Manifest, path: Path) -> None:
    """Check that the backup fits an MLflow server that is not ours, whose tables we do not upgrade.

    Raises:
        MlpipesError: The backup has another version of MLflow's tables than an existing server uses.
    """
    if runtime.name != "remote":
        return
    found = databases.facts(runtime.storage().databases["mlflow"]).revision
    if found != manifest.revision:
        raise MlpipesError(
            f"the MLflow server's tables have version {found}, but those in {path} have {manifest.revision}",
            f"run MLflow {manifest.mlflow} on the server",
        )


def tell_key(project: ProjectFolder, manifest: Manifest, reporter: Reporter) -> None:
    """Report if the models in a backup are of another project's key, and how to make them load.

    Raises:
        MlpipesError: ``.env`` cannot be read or written.
    """
    if not content(manifest.rows)["versions"]:
        return
    own = model_key(project.root).id
    if not manifest.model_key:
        reporter.warn(f"the backup was made before models were signed; {TRUST_ALL}")
    elif manifest.model_key != own:
        reporter.warn(
            f"the models in the backup are signed with the key {manifest.model_key}, and this project's is "
            f"{own}, so they will not be loaded; set {keys.NAME} in .env to the value in the project that "
            f"made the backup, or {TRUST_ALL}"
        )


def ask(
    project: ProjectFolder, runtime: Runtime, databases: Databases, reporter: Reporter, *, yes: bool
) -> None:
    """Ask before data is lost.

    Raises:
        UsageError: There is no terminal to ask on.
        MlpipesError: The user declined.
    """
    if journal(project, runtime).state():
        return  # an earlier restore was confirmed, and has to be finished
    urls = runtime.storage().databases
    what = words(content({name: databases.facts(urls[name]).rows for name in DATABASES}))
    if what:
        agreed(
            reporter, f"the stack contains {what}; replace all of it?", yes=yes, flag="--yes",
            why=f"the stack contains {what}, which the restore replaces",
        )  # fmt: skip


def into(
    project: ProjectFolder,
    runtime: Runtime,
    databases: Databases,
    path: Path,
    manifest: Manifest,
    reporter: Reporter,
) -> None:
    """Replace the data of a running stack; its services are stopped meanwhile.

    Raises:
        MlpipesError: It failed, or a service does not start again.
    """
    with runtime.paused(reporter):
        replace(runtime.storage(), databases, path, manifest, journal(project, runtime), reporter)
