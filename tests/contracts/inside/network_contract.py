"""What networks promise beside :class:`TrainerContract`, whatever makes them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import cloudpickle
import documented
import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import TrainerContract, training_of

from mlpipes_cli.preprocess import auto
from mlpipes_cli.trainers.base import Fitted, Pruned, Trainer, Training, TrainingError, ValidationRows


class NetworkContract(TrainerContract):
    """Inherit, and give ``name``, ``trainer``, ``spec``, ``wrong``, and ``image_spec``: for small images.

    Attributes:
        name: The trainer's.
        linear: What is trained in a run of one layer.
    """

    name = ""
    linear: Mapping[str, Any] = {}

    def test_every_epoch_is_told_and_the_best_is_kept(
        self, trainer: Trainer, spec: Any, told: Callable[..., Any]
    ) -> None:
        seen = told()
        given = spec("multiclass")
        given["params"] = {**given["params"], "epochs": 60, "patience": 2, "learning_rate": 0.1}
        fitted = trainer.fit(training_of("multiclass", given, report=seen))
        watched = [epoch["val_loss"] for epoch in seen.epochs]
        assert all({"loss", "accuracy", "val_accuracy"} <= set(epoch) for epoch in seen.epochs)
        assert len(watched) == fitted.params["epochs_run"] < 60
        assert fitted.params["best_epoch"] == int(np.argmin(watched)) + 1 == len(watched) - 2
        assert (fitted.params["fitted_rows"], fitted.params["validation_rows"]) == (160, 18)
        stopped_there = {**given["params"], "epochs": fitted.params["best_epoch"], "restore_best": False}
        again = trainer.fit(training_of("multiclass", {**given, "params": stopped_there}))
        X = training_of("multiclass", given).X
        assert np.array_equal(again.model.predict_proba(X), fitted.model.predict_proba(X))

    def test_errors_of_a_quantity_are_told_in_its_unit(
        self, trainer: Trainer, spec: Any, told: Callable[..., Any]
    ) -> None:
        seen = told()
        given = spec("regression")
        given["params"] = {**given["params"], "epochs": 2}
        training = training_of("regression", given, report=seen)
        fitted = trainer.fit(training)
        real = np.abs(fitted.model.predict(training.X) - training.y.to_numpy()).mean()
        assert seen.epochs[-1]["mae"] == pytest.approx(real, rel=0.3)

    def test_a_search_may_end_the_fit(self, trainer: Trainer, spec: Any, told: Callable[..., Any]) -> None:
        seen = told(stop_after=2)
        with pytest.raises(Pruned):
            trainer.fit(training_of("binary", spec("binary"), report=seen))
        assert len(seen.epochs) == 2

    def test_a_loss_that_is_no_number_is_told(self, trainer: Trainer, spec: Any) -> None:
        given = spec("regression")
        given["params"] = {**given["params"], "optimizer": "sgd", "learning_rate": 1e30}
        with pytest.raises(TrainingError, match=r"the loss is (nan|inf) after epoch 1"):
            trainer.fit(training_of("regression", given))

    def test_weights_of_classes_change_the_fit(self, trainer: Trainer, spec: Any) -> None:
        found = []
        for weights in (None, {"malignant": 50.0}):
            given = spec("binary")
            given["params"] = {**given["params"], "epochs": 3, "class_weight": weights}
            training = training_of("binary", given)
            found.append(trainer.fit(training).model.predict_proba(training.X)[:, 1].mean())
        assert found[1] > found[0] + 0.05
        given["params"]["class_weight"] = {"malignent": 2.0}
        with pytest.raises(TrainingError, match="'malignent' is not a label; did you mean 'malignant'"):
            trainer.fit(training_of("binary", given))

    def test_weights_of_rows_are_factors_of_their_loss(self, trainer: Trainer) -> None:
        """With one batch and Adam, whose steps have no scale, a weight of 2 is a row twice."""
        params = {"epochs": 8, "batch_size": 2000, "optimizer": "adam", "learning_rate": 0.05}
        training = training_of("binary", {**self.linear, "params": params})
        weights = np.where(np.arange(len(training.X)) % 3 == 0, 2.0, 1.0)
        rows = np.repeat(np.arange(len(training.X)), weights.astype(int))
        step = auto.build(training.X, "binary").fit(training.X, training.y)
        plain = replace(training, preprocess="none", X=step.transform(training.X))
        weighed, doubled, once = (
            trainer.fit(one).model.predict_proba(plain.X)[:, 1]
            for one in (
                replace(plain, weights=weights),
                replace(
                    plain,
                    X=plain.X.iloc[rows].reset_index(drop=True),
                    y=plain.y.iloc[rows].reset_index(drop=True),
                ),
                plain,
            )
        )
        assert weighed == pytest.approx(doubled, abs=1e-3)
        assert np.abs(weighed - once).max() > 4 * np.abs(weighed - doubled).max()

    def test_validation_rows_stop_the_fit(
        self, trainer: Trainer, spec: Any, told: Callable[..., Any]
    ) -> None:
        given = spec("binary")
        given["params"] = {**given["params"], "epochs": 12, "patience": 2, "learning_rate": 0.05}
        whole = training_of("binary", given)
        held = np.arange(len(whole.X)) % 3 == 0
        X, y = whole.X[held].reset_index(drop=True), whole.y[held].reset_index(drop=True)
        fit_on = {"X": whole.X[~held].reset_index(drop=True), "y": whole.y[~held].reset_index(drop=True)}
        wrong = y.map({"benign": "malignant", "malignant": "benign"})
        epochs = []
        for labels in (y, wrong):
            validation = ValidationRows(X, labels)
            fitted = trainer.fit(replace(whole, **fit_on, validation=validation, report=told()))
            assert fitted.params["validation_rows"] == len(X)
            assert fitted.params["fitted_rows"] == len(fit_on["X"])
            epochs.append(fitted.params["best_epoch"])
        assert epochs[1] == 1 < epochs[0], "rows that contradict stop it at once"

    def test_a_row_gets_the_same_answer_alone_in_any_company_and_from_any_thread(
        self, trainer: Trainer, spec: Any
    ) -> None:
        training = training_of("binary", spec("binary"))
        model = cloudpickle.loads(cloudpickle.dumps(trainer.fit(training).model))
        rows = training.X.head(70)
        with ThreadPoolExecutor(8) as threads:  # the first questions, so that it is loaded but once
            alone = list(threads.map(lambda at: model.predict_proba(rows.iloc[at : at + 1]), range(70)))
        assert np.array_equal(np.concatenate(alone), model.predict_proba(rows))
        assert np.array_equal(model.predict_proba(rows.iloc[5:50]), model.predict_proba(rows)[5:50])
        assert model.predict_proba(rows.head(0)).shape == (0, 2)
        assert np.allclose(model.predict_proba(rows).sum(axis=1), 1.0, atol=1e-12)

    def test_what_is_no_number_needs_the_preprocessing(self, trainer: Trainer, spec: Any) -> None:
        training = training_of("binary", spec("binary"), preprocess="none")
        words = training.X.assign(town="Rome")
        with pytest.raises(TrainingError, match="'town' has the type"):
            trainer.fit(replace(training, X=words))
        gaps = training.X.mask(training.X > 500)
        with pytest.raises(TrainingError, match="has missing values"):
            trainer.fit(replace(training, X=gaps))

    def test_it_learns_images_and_takes_them_as_bytes_and_as_base64(
        self, trainer: Trainer, image_spec: Any, pictures: Training
    ) -> None:
        fitted = trainer.fit(replace(pictures, spec=image_spec))
        assert fitted.params["image_picture"] == "12 x 16 x 3"  # the median, and some have colours
        model = cloudpickle.loads(cloudpickle.dumps(fitted.model))
        found = model.predict_proba(pictures.X)
        assert (model.predict(pictures.X) == pictures.y.to_numpy()).mean() > 0.9
        text = pictures.X.assign(picture=[base64.b64encode(body).decode() for body in pictures.X["picture"]])
        assert np.array_equal(model.predict_proba(text), found)
        alone = [model.predict_proba(pictures.X.iloc[at : at + 1]) for at in range(9)]
        assert np.array_equal(np.concatenate(alone), found[:9])

    def test_an_image_that_cannot_be_read_is_named(
        self, trainer: Trainer, image_spec: Any, pictures: Training
    ) -> None:
        broken = pictures.X.copy()
        broken["picture"] = pd.Series([*broken["picture"][:7], b"\x89PNG broken", *broken["picture"][8:]])
        with pytest.raises(TrainingError, match="picture: row 7: the image cannot be read"):
            trainer.fit(replace(pictures, X=broken, spec=image_spec))

    def test_the_documented_runs(self, module: Callable[[str, str], None]) -> None:
        for place, spec, example in documented.runs(self.name):
            module("my_module", example.module)
            spec = documented.shortened(spec)
            training = training_of("binary", spec)
            fitted = documented.fit(training, spec)
            assert isinstance(fitted, Fitted), place
            assert fitted.params["epochs_run"] == 2
            assert np.isfinite(fitted.model.predict_proba(training.X)).all()
