"""``models trust``: signs versions as they are now, so that they can be loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.promotion import actor, registry_context
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.signing import files, statements
from mlpipes_cli.signing.vault import Untrusted

if TYPE_CHECKING:
    from mlpipes_cli.ports import ModelVersion, Registry, Reporter
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.signing.vault import Vault


@dataclass(frozen=True)
class TrustResult:
    """The result for one version.

    Attributes:
        model: Its model's name.
        version: Its number.
        outcome: ``trusted`` now, ``would trust``, ``signed`` (by train), ``trusted before``, or ``failed``.
        run_id: Its run; empty if it names none.
        files: How many files it has.
        size: Their total size in bytes.
        digest: One checksum of all of them.
        reason: Why it could not be loaded before; or why it cannot be trusted.
    """

    model: str
    version: int
    outcome: str
    run_id: str
    files: int = 0
    size: int = 0
    digest: str = ""
    reason: str = ""


def trust(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    versions: Sequence[int] = (),
    model: str | None = None,
    everything: bool = False,
    reason: str = "",
    dry_run: bool = False,
) -> list[TrustResult]:
    """Sign versions as they are now, so that they can be loaded, even if another project made them.

    Args:
        project: The project whose registry and key are used.
        reporter: Receives progress messages.
        versions: The numbers of the versions.
        model: The model's name; that of mlpipes.yaml, or the only one, if omitted.
        everything: All versions of the model; if none is named, of all models.
        reason: A reason that is stored with the version.
        dry_run: Only report what would be trusted.

    Raises:
        UsageError: There is no such model or version, or none was named.
        MlpipesError: The stack does not run.
    """
    if everything == bool(versions):
        raise UsageError("`models trust` needs version numbers or --all", "`mlpipes models` lists them")
    stack = registry_context.connect(project)
    wanted = _wanted(project, stack.registry, versions, model)
    work = _Trusting(project, stack.registry, project_vault.of(project, stack.endpoints), reason, dry_run)
    with reporter.task("checking models", len(wanted)) as task:
        found = []
        for version in wanted:
            task.note(f"version {version.version} of {version.model}")
            found.append(work.one(version))
            task.advance()
    return found


def _wanted(
    project: ProjectFolder, registry: Registry, versions: Sequence[int], model: str | None
) -> list[ModelVersion]:
    if not versions and model is None:
        return [version for found in registry.models() for version in found.versions]
    found = registry_context.find_model(project, registry, model)
    there = {version.version: version for version in found.versions}
    for number in versions:
        if number not in there:
            known = ", ".join(map(str, sorted(there))) or "none"
            raise UsageError(f"model {found.name!r} has no version {number}", f"available: {known}")
    return [there[number] for number in dict.fromkeys(versions)] if versions else list(found.versions)


@dataclass(frozen=True)
class _Trusting:
    project: ProjectFolder
    registry: Registry
    vault: Vault
    why: str
    dry_run: bool

    def one(self, version: ModelVersion) -> TrustResult:
        """Return the result for a version; a failure does not stop the others."""
        name, number = version.model, version.version
        row = TrustResult(name, number, "failed", version.run_id)
        try:
            with project_vault.copied(self.vault, name, number) as folder:
                found = files.listed(folder)
                size = sum(file.size for file in found)
                row = TrustResult(name, number, "", version.run_id, len(found), size, files.digest(found))
                try:
                    statement = self.vault.check(name, number, folder)
                except Untrusted as error:
                    return self._sign(row, found, error)
        except MlpipesError as error:
            return _as(row, "failed", error.reason)
        return _as(row, "trusted before" if statement.actor else "signed")

    def _sign(self, row: TrustResult, found: Sequence[files.ModelFile], doubt: Untrusted) -> TrustResult:
        if self.dry_run:
            return _as(row, "would trust", doubt.reason)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        by = actor.user()
        text = statements.trust(
            found, self.vault.key, row.model, row.version, actor=by, when=when, why=self.why
        )
        self.registry.set_version_tag(row.model, row.version, statements.TAG, text)
        return _as(row, "trusted", doubt.reason)


def _as(row: TrustResult, outcome: str, reason: str = "") -> TrustResult:
    return replace(row, outcome=outcome, reason=reason)
