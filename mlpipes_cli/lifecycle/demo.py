"""Runs every step of the tutorial on an example, one command after the other: ``mlpipes demo``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter, TrainingProgress
from mlpipes_cli.project import PROJECT_FILE, ProjectFolder, find_project

EXAMPLE = "breast-cancer"
EXPERIMENT_FILE = "experiment.yaml"
METRIC = "ks"
ROWS_FILE = "data/new_rows.csv"


@dataclass(frozen=True)
class DemoStep:
    """One step of the demo.

    Attributes:
        name: The command that does the same on its own.
        result: The value that its function returned.
        seconds: How long it took.
    """

    name: str
    result: Any
    seconds: float


Progress = Callable[[], AbstractContextManager[TrainingProgress]]


def story(
    directory: Path, reporter: Reporter, progress: Progress, begin: Callable[[str], None]
) -> Iterator[DemoStep]:
    """Run the demo in a folder; if it holds a project already, continue where that is.

    Args:
        directory: The project's folder; made if it is missing.
        reporter: Receives the commands' messages.
        progress: Opens the reporter of a training's progress.
        begin: Called with a command's name before it starts.

    Raises:
        MlpipesError: A step failed; the results of earlier steps stay.
    """
    for name, verb in _verbs(directory.absolute(), reporter, progress):
        begin(name)
        started = time.monotonic()
        result = verb()
        yield DemoStep(name, result, round(time.monotonic() - started, 3))


def _verbs(
    directory: Path, reporter: Reporter, progress: Progress
) -> Iterator[tuple[str, Callable[[], Any]]]:
    fresh = not (directory / PROJECT_FILE).is_file()
    yield "init", lambda: _init(directory, fresh)
    project = find_project(directory)
    yield "up", lambda: _up(project, reporter)
    yield "train", lambda: _train(project, reporter, progress, resume=not fresh)
    yield "leaderboard", lambda: _leaderboard(project)
    yield "promote", lambda: _promote(project, reporter)
    yield "serve", lambda: _serve(project, reporter)
    yield "predict", lambda: _predict(project, reporter)


def _init(directory: Path, fresh: bool) -> Any:
    from mlpipes_cli.lifecycle.scaffold import make_project

    return make_project(directory, EXAMPLE) if fresh else None


def _up(project: ProjectFolder, reporter: Reporter) -> Any:
    from mlpipes_cli.lifecycle import stack

    return stack.up(project, reporter)


def _train(project: ProjectFolder, reporter: Reporter, progress: Progress, *, resume: bool) -> Any:
    from mlpipes_cli.lifecycle import training

    request = training.TrainRequest(
        file=project.root / EXPERIMENT_FILE,
        shown_as=project.shown(project.root / EXPERIMENT_FILE),
        resume=resume,
    )
    with progress() as shown:
        report = training.train(lambda: project, request, reporter, shown)
    if report.failed:
        raise MlpipesError("some candidates were not trained", "see the table above")
    return report


def _leaderboard(project: ProjectFolder) -> Any:
    from mlpipes_cli.lifecycle import leaderboard

    return leaderboard.leaderboard(project, metric=METRIC)


def _promote(project: ProjectFolder, reporter: Reporter) -> Any:
    from mlpipes_cli.lifecycle.promotion import promote
    from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest

    return promote.promote(project, PromotionRequest(metric=METRIC, reason="demo"), reporter)


def _serve(project: ProjectFolder, reporter: Reporter) -> Any:
    from mlpipes_cli.lifecycle import serving

    return serving.detach(serving.make_plan(project), reporter)


def _predict(project: ProjectFolder, reporter: Reporter) -> Any:
    from mlpipes_cli.lifecycle import prediction

    return prediction.predict(project, project.root / ROWS_FILE, reporter)
