"""Select the challenger: the run that may take the alias, and the version that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import artifact_check, registry_context, selection
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.lifecycle.promotion.rolled_back import RolledBackRun, rolled_back_runs
from mlpipes_cli.ports import ModelVersion, RegisteredModel, Reporter, RunRecord

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class PromotionRequest:
    """The options of ``promote``.

    Attributes:
        metric: The metric that picks and decides; None for the configured one.
        experiment: The experiment; None for the newest.
        run: A run id, the start of one, or a candidate's name; None for the best.
        alias: The alias to move.
        reason: The reason for the history.
        holdout: Only runs on the holdout of this fingerprint; None for the newest one.
    """

    metric: str | None = None
    experiment: str | None = None
    run: str | None = None
    alias: str = "production"
    reason: str = ""
    holdout: str | None = None


@dataclass(frozen=True)
class Challenger:
    """The challenger, and the version that it is compared with.

    Attributes:
        field: The runs on the same holdout.
        metric: The metric that decides.
        run: The challenger.
        model: The registered model, or None if it is yet to be made.
        holder: The version that holds the alias, or None.
        lost: A version that holds the alias and whose files are gone: it is not compared with.
        left_out: Runs that were skipped because files are missing, with what they lack.
        passed_over: Runs that were rolled back, and therefore not picked.
        copied_run: Of a challenger from another project: its run's copy in this one; empty without a copy.
        holder_origin: The run in the challenger's project that the holder's run is a copy of; empty if none.
    """

    field: selection.SelectionPool
    metric: str
    run: RunRecord
    model: RegisteredModel | None
    holder: ModelVersion | None
    lost: ModelVersion | None = None
    left_out: tuple[str, ...] = ()
    passed_over: tuple[RolledBackRun, ...] = ()
    copied_run: str = ""
    holder_origin: str = ""

    @property
    def model_name(self) -> str:
        """The registered model's name."""
        return self.run.tags.get(mlflow_tags.MODEL_NAME) or self.run.experiment

    @property
    def own_version(self) -> int | None:
        """The version that the challenger's run has already, if any."""
        versions = self.model.versions if self.model else ()
        own = self.copied_run or self.run.run_id
        return next((v.version for v in versions if v.run_id == own), None)

    @property
    def holds_already(self) -> bool:
        """Whether the challenger's run has the alias already."""
        return self.holder is not None and self.run.run_id in {self.holder.run_id, self.holder_origin}


def select_challenger(
    project: ProjectFolder,
    stack: registry_context.RegistryContext,
    request: PromotionRequest,
    reporter: Reporter,
) -> Challenger:
    """Pick the challenger and look up the version that holds the alias.

    Raises:
        UsageError: There is no such experiment or run.
        MlpipesError: No run has its files.
    """
    registry, archive = stack.registry, holdout_archive(project, stack)
    known = registry.runs()
    experiment, others = selection.pick_experiment(known, request.experiment, request.run)
    if request.experiment is None and len(others) > 1:
        listed = ", ".join(name for name in others if name != experiment)
        reporter.info(f"promoting from the experiment {experiment} (--experiment; there is also {listed})")
    runs = [run for run in known if run.experiment == experiment]
    asked = selection.find_run(runs, request.run) if request.run else None
    field = selection.selection_pool(runs, asked, request.holdout)
    metric = selection.pick_metric(field, request.metric, project.config.promotion.metric)
    if asked is not None and not selection.has(asked, metric):
        raise MlpipesError(selection.missing(asked, metric), "choose another --metric")
    run = asked or selection.best(field, metric)
    model = registry.model(Challenger(field, metric, run, None, None).model_name)
    holder, lost = alias_holder(model, request.alias), None
    if holder is not None and not artifact_check.has_files(registry, holder):
        reporter.warn(f"{lost_files(holder, request.alias)}, so there is no incumbent")
        holder, lost = None, holder
    gone = rolled_back_runs(model, request.alias)
    _warn(field, metric, reporter)
    if asked is None:  # among equal runs, the one that holds the alias stays
        gone = {item.run_id: gone[item.run_id] for item in field.runs if item.run_id in gone}
        for one in gone.values():
            reporter.warn(f"{one.told()}, so it is skipped (--run {one.run_id[:8]} promotes it again)")
        run, left = artifact_check.best(field, metric, holder, archive, reporter.warn, gone)
        return Challenger(field, metric, run, model, holder, lost, tuple(left), tuple(gone.values()))
    if run.run_id in gone:
        reporter.warn(f"{gone[run.run_id].told()}; it is considered again because of --run")
    if what := artifact_check.missing(
        archive, asked, compared=holder is not None and holder.run_id != asked.run_id
    ):
        raise MlpipesError(f"the run {artifact_check.describe(asked, what)}", artifact_check.TRAIN_AGAIN)
    return Challenger(field, metric, asked, model, holder, lost)


def holdout_archive(project: ProjectFolder, stack: registry_context.RegistryContext) -> HoldoutArchive:
    """Return the archive of the runs' holdouts, which is kept in the project's cache."""
    return HoldoutArchive(stack.registry, project.cache / "runs")


def lost_files(version: ModelVersion, alias: str) -> str:
    """Say that a version that holds the alias has lost its files."""
    return f"version {version.version} has the alias {alias}, but its files no longer exist"


def _warn(field: selection.SelectionPool, metric: str, reporter: Reporter) -> None:
    """Warn about the runs before one of them is picked."""
    without = [selection.missing(run, metric) for run in field.runs if not selection.has(run, metric)]
    for why in dict.fromkeys(without):
        reporter.warn(f"{why}, so it is skipped")
    rows = field.runs[0].tags.get(mlflow_tags.TELLING_ROWS, "")
    if rows.isdigit() and (few := metric_catalog.few_rows(field.task, metric, int(rows))):
        reporter.warn(few)


def alias_holder(model: RegisteredModel | None, alias: str) -> ModelVersion | None:
    """Return the version that holds the alias, or None."""
    number = model.aliases.get(alias) if model else None
    return next((v for v in model.versions if v.version == number), None) if model else None
