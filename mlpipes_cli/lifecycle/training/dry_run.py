"""A dry run of ``train``, which reports what would be done."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.training import plan, preflight
from mlpipes_cli.lifecycle.training.import_checks import ImportChecks
from mlpipes_cli.lifecycle.training.prepared_versions import PreparedVersions
from mlpipes_cli.lifecycle.training.training_context import endpoints, environments_of, workers
from mlpipes_cli.trainers.search import spaces

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.training.train import TrainRequest
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class DryRun:
    """What a training would do.

    Attributes:
        experiment: Its name.
        model: The registered model's name.
        task: The kind of target.
        classes: Its labels.
        positive: The positive label of a binary target.
        positive_because: Why it is that one; empty for other targets.
        class_rows: Rows of each class, by its label as text.
        metric: The metric that decides.
        rows: The number of rows in all.
        train: The number of rows for training.
        validation: The number of rows for tuning, of a data set that has some.
        holdout: The number of rows for scoring.
        features: Columns that the models use.
        types: The type of each feature: number, boolean, text, datetime or image.
        roles: Columns that are no features, by what they are: ``id``, ``weights``, ``group``.
        dataset: The version of the data set that the rows come from, such as loans@3; None for others.
        fingerprint: The data's fingerprint.
        notes: How the data was read.
        warnings: Warnings about the data.
        candidates: name, trainer, what is trained, its params, the most trials of its search, and the
            rule that chooses its threshold, or None.
    """

    experiment: str
    model: str
    task: str
    classes: tuple[Any, ...]
    positive: Any
    positive_because: str
    class_rows: Mapping[str, int]
    metric: str
    rows: int
    train: int
    validation: int
    holdout: int
    features: int
    types: Mapping[str, str]
    roles: Mapping[str, str]
    dataset: str | None
    fingerprint: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]


def dry_run(find_project: Callable[[], ProjectFolder], request: TrainRequest, reporter: Reporter) -> DryRun:
    """Check everything, read and split the data, and train nothing; this needs no stack.

    Raises:
        ConfigError: The file, or the data for it, has mistakes.
        UsageError: No such file, or no such run.
    """
    experiment = plan.read(request.file, request.shown_as, request.only)
    url, versions = None, None
    if experiment.needs_database:
        project = find_project()
        try:
            url = endpoints(project)[1]
        except MlpipesError as error:
            reason = experiment.source.problem(("data", "source"), error.reason)
            raise MlpipesError(reason, error.hint) from None
        versions = PreparedVersions(project.cache / "data")
    with contextlib.ExitStack() as stack:
        environments = stack.enter_context(environments_of(experiment, request.only, reporter))
        preflight.check(experiment, environments, request.only, reporter.warn)
        if experiment.unclear:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log = folder / "worker.log"
            pool = stack.enter_context(workers(log, experiment, request.only, environments))
            by_import = ImportChecks(experiment, environments, request.only, folder, pool)
        with reporter.task("reading the data"):
            made = plan.make(experiment, request.only, url, versions, request.rows)
        made.tell(reporter)
        if experiment.unclear:
            by_import.finish()
    prepared = made.prepared
    return DryRun(
        experiment=experiment.config.experiment,
        model=experiment.config.model_name,
        task=prepared.task,
        classes=prepared.classes,
        positive=prepared.positive,
        positive_because=made.understanding.positive_because,
        class_rows=made.understanding.classes,
        metric=made.metric,
        rows=len(prepared.frame),
        train=len(prepared.train),
        validation=len(prepared.validation),
        holdout=len(prepared.holdout),
        features=len(prepared.feature_names),
        types=made.understanding.types,
        roles=made.understanding.roles,
        dataset=str(dataset) if (dataset := made.experiment.config.data.dataset) else None,
        fingerprint=prepared.fingerprint,
        notes=made.notes,
        warnings=(*made.warnings, *(_unbuilt(name) for name in environments.missing)),
        candidates=tuple(
            {"name": c.name, "trainer": c.trainer, "trains": c.path, "params": c.spec["params"]}
            | {"trials": spaces.count(c.spec["search"]) if c.spec["search"] else 0}
            | {"threshold": c.spec.get("threshold")}
            for c in made.candidates
        ),
    )


def _unbuilt(name: str) -> str:
    return f"{name}: its environment is not built yet, so not all of its settings could be checked"
