"""The version that a project promotes to another one: which it is, and all that is asked of its project."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.promotion import alias_moves, registry_context, selection
from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest, alias_holder, holdout_archive
from mlpipes_cli.lifecycle.promotion.holdout import HoldoutSource
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import ModelVersion, RegisteredModel, RunRecord
from mlpipes_cli.signing.statements import TAG

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.signing.vault import Vault

# Of the other project alone: its cache, its sessions, its searches and its retrainings.
_NOT_COPIED = {
    mlflow_tags.SPEC_HASH, mlflow_tags.TAKEN, mlflow_tags.PARENT, mlflow_tags.MODEL_KEY,
    mlflow_tags.MODEL_URI, mlflow_tags.RETRAINING, mlflow_tags.RETRAINING_CAUSE, mlflow_tags.RETRAINING_CHECK,
}  # fmt: skip
_OF_MLFLOW = "mlflow."  # its own tags: which it sets, except for those of a run's source
_KEPT_OF_MLFLOW = {mlflow_tags.USER, "mlflow.source.name", "mlflow.source.type", "mlflow.note.content"}


@dataclass(frozen=True)
class Origin:
    """A version of the project that promotes.

    Attributes:
        project: The project.
        stack: Its stack.
        vault: Its models that may be loaded.
        model: The registered model.
        version: The version.
        run: The version's run.
        field: The candidates that were scored on the same holdout.
    """

    project: ProjectFolder
    stack: registry_context.RegistryContext
    vault: Vault
    model: RegisteredModel
    version: ModelVersion
    run: RunRecord
    field: selection.SelectionPool

    @property
    def archive(self) -> HoldoutArchive:
        """The artifacts of the project's runs."""
        return holdout_archive(self.project, self.stack)

    @property
    def holdouts(self) -> HoldoutSource:
        """The rows of the project's holdouts."""
        return HoldoutSource(self.project, self.archive, self.stack.endpoints.reader_url)

    @property
    def title(self) -> str:
        """The version as ``MODEL/VERSION``."""
        return f"{self.version.model}/{self.version.version}"

    def tags(self) -> dict[str, str]:
        """Return the tags of a copy of the run."""
        kept = {
            name: value
            for name, value in self.run.tags.items()
            if name not in _NOT_COPIED and (not name.startswith(_OF_MLFLOW) or name in _KEPT_OF_MLFLOW)
        }
        return kept | {
            mlflow_tags.CANDIDATE: self.run.name,
            mlflow_tags.MODEL_NAME: self.version.model,
            mlflow_tags.ORIGIN_PROJECT: self.project.config.project,
            mlflow_tags.ORIGIN_VERSION: self.title,
            mlflow_tags.ORIGIN_RUN: self.run.run_id,
        }

    def document(self) -> str:
        """Return the version with its tags and its history here, as JSON."""
        past = [
            asdict(one)
            for one in alias_moves.resolved_events(self.model)
            if self.version.version in {one.to_version, one.from_version}
        ]
        about = {
            "project": self.project.config.project,
            "model": self.version.model,
            "version": self.version.version,
            "run_id": self.run.run_id,
            "created": self.version.created,
            "tags": {name: value for name, value in sorted(self.version.tags.items()) if name != TAG},
            "history": past,
        }
        return json.dumps(about, indent=1, sort_keys=True)


def choose(
    project: ProjectFolder, stack: registry_context.RegistryContext, request: PromotionRequest
) -> Origin:
    """Return the version of the requested run, else the one that the alias of ``serving`` points to.

    Raises:
        UsageError: There is no such run, or it is not clear which model is meant.
        MlpipesError: The run or the alias has no version, or there is no record of its run.
    """
    runs = stack.registry.runs()
    if request.run is not None:
        experiment, _ = selection.pick_experiment(runs, request.experiment, request.run)
        run = selection.find_run([one for one in runs if one.experiment == experiment], request.run)
        name = run.tags.get(mlflow_tags.MODEL_NAME) or run.experiment
        model = stack.registry.model(name)
        own = [one for one in model.versions if one.run_id == run.run_id] if model else []
        if model is None or not own:
            raise MlpipesError(
                f"the run {run.name} ({run.run_id[:8]}) has no version", "promote it in this project first"
            )
        version = own[0]
    else:
        if request.experiment is not None:
            raise UsageError("--experiment with --to-project needs --run as well", "name the run, or neither")
        model = _model(project, stack)
        alias = project.config.serving.alias
        held = alias_holder(model, alias)
        if held is None:
            raise MlpipesError(
                f"no version of {model.name} has the alias {alias}",
                f"promote one with `mlpipes promote --to {alias}`, or name a run with --run",
            )
        version, found = held, next((one for one in runs if one.run_id == held.run_id), None)
        if found is None or not selection.is_complete(found):
            raise MlpipesError(
                f"there is no complete record of how version {version.version} of {model.name} was trained",
                "promote a version that `mlpipes train` made",
            )
        run = found
    field = selection.selection_pool([one for one in runs if one.experiment == run.experiment], run)
    vault = project_vault.of(project, stack.endpoints)
    return Origin(project, stack, vault, model, version, run, field)


def _model(project: ProjectFolder, stack: registry_context.RegistryContext) -> RegisteredModel:
    models = stack.registry.models()
    if project.config.serving.model is None and len(models) > 1:
        listed = ", ".join(one.name for one in models)
        raise UsageError(
            f"there are several models: {listed}", "name one in mlpipes.yaml: serving -> model, or use --run"
        )
    return registry_context.find_model(project, stack.registry, None)
