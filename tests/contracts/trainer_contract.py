"""What every trainer promises (see ``mlpipes_cli/trainers/base.py``); each backend inherits the tests."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.metrics import f1_score

from mlpipes_cli.trainers.base import Trainer, Training, TrainingError
from mlpipes_cli.trainers.search import thresholds

SCRATCH = Path()  # set by the tests' conftest: an empty folder for each test
TASKS = ("binary", "multiclass", "regression")
# The modules of ours that a stored model may name: their code travels with it, and they never move.
INSIDE = ("mlpipes_cli.preprocess.", "mlpipes_cli.timestamps", "mlpipes_cli.trainers.models.")


def training_of(task: Any, spec: Mapping[str, Any], **changes: Any) -> Training:
    load = {"binary": load_breast_cancer, "multiclass": load_wine, "regression": load_diabetes}[task]
    data = load(as_frame=True)
    y, classes = data.target, tuple(range(len(getattr(data, "target_names", []))))
    if task == "binary":
        names = np.array(["malignant", "benign"], dtype=object)
        y, classes = pd.Series(names[y.to_numpy()], name="target").astype("str"), ("benign", "malignant")
    given = {
        "X": data.data, "y": y, "task": task, "classes": () if task == "regression" else classes,
        "metric": {"binary": "ks", "multiclass": "f1_macro", "regression": "rmse"}[task],
        "seed": 7, "threads": 1, "preprocess": "auto", "spec": spec, "scratch": SCRATCH,
    }  # fmt: skip
    return Training(**{**given, **changes})


class TrainerContract:
    """Inherit, and give the fixtures ``trainer``, ``spec`` (by task) and ``wrong`` (bad specs)."""

    @pytest.mark.parametrize("task", TASKS)
    def test_it_learns_answers_every_row_and_does_so_again(
        self, trainer: Trainer, spec: Any, task: str
    ) -> None:
        training = training_of(task, spec(task))
        found, again = (
            trainer.answer(trainer.fit(training), training.X, training.task, training.classes)
            for _ in range(2)
        )
        assert len(found.prediction) == len(training.X)
        assert np.array_equal(found.prediction, again.prediction)
        if task == "regression":
            assert found.scores is None
            assert np.corrcoef(found.prediction, training.y)[0, 1] > 0.6
        else:
            assert (found.prediction == training.y.to_numpy()).mean() > 0.9
            columns = found.scores.reshape(len(training.X), -1).shape[1]
            assert columns == (1 if task == "binary" else len(training.classes))
            assert np.array_equal(found.scores, again.scores)

    def test_higher_scores_go_with_the_positive_class(self, trainer: Trainer, spec: Any) -> None:
        training = training_of("binary", spec("binary"))
        fitted = trainer.fit(training)
        for classes in (("benign", "malignant"), ("malignant", "benign")):
            scores = trainer.answer(fitted, training.X, "binary", classes).scores
            positive = (training.y == classes[1]).to_numpy()
            assert scores[positive].mean() > scores[~positive].mean()

    def test_the_model_pickles_and_takes_raw_rows_with_gaps(self, trainer: Trainer, spec: Any) -> None:
        training = training_of("binary", spec("binary"))
        fitted = trainer.fit(training)
        pickled = cloudpickle.dumps(fitted.model)
        again = cloudpickle.loads(pickled)
        assert np.array_equal(again.predict(training.X), fitted.model.predict(training.X))
        named = {text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}
        ours = {text for text in named if re.match(r"mlpipes_cli\.\w+[\w.]*$", text)}
        assert all(text.startswith(INSIDE) for text in ours), ours

    def test_the_training_rows_are_left_as_they_were(self, trainer: Trainer, spec: Any) -> None:
        training = training_of("binary", spec("binary"))
        X, y = training.X.copy(), training.y.copy()
        trainer.fit(training)
        pd.testing.assert_frame_equal(training.X, X)
        pd.testing.assert_series_equal(training.y, y)

    def test_a_threshold_is_found_on_rows_that_it_did_not_see_and_cuts_its_score(
        self, trainer: Trainer, spec: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(thresholds, "FOLDS", 2)
        training = training_of("binary", {**spec("binary"), "threshold": "f1"})
        fitted = trainer.fit(training)
        settled = thresholds.choose_threshold(trainer, fitted, training)
        assert settled.scores is not None
        assert not np.array_equal(
            settled.scores, trainer.answer(fitted, training.X, "binary", training.classes).scores
        )
        positive = (training.y == "malignant").to_numpy()
        assert settled.scores[positive].mean() > settled.scores[~positive].mean()
        found = f1_score(positive, settled.scores >= settled.threshold)
        assert found >= max(
            f1_score(positive, settled.scores >= cut) for cut in np.unique(settled.scores)[::20]
        )
        answers = trainer.answer(settled.fitted, training.X, "binary", training.classes)
        assert np.array_equal(answers.prediction == "malignant", answers.scores >= settled.threshold)
        again = cloudpickle.loads(cloudpickle.dumps(settled.fitted.model))
        assert again.predict(training.X).tolist() == answers.prediction.tolist()

    def test_a_right_run_has_no_problems(self, trainer: Trainer, spec: Any) -> None:
        assert trainer.check(spec("binary")) == []

    def test_a_wrong_run_is_told_by_check_and_fails_with_a_line(self, trainer: Trainer, wrong: Any) -> None:
        for spec, text in wrong:
            problems = trainer.check(spec)
            assert any(text in told for _, told in problems), (spec, problems)
            with pytest.raises((TrainingError, TypeError)):
                trainer.fit(training_of("binary", spec))
