"""``trainer: keras`` in its own environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cloudpickle
import documented
import numpy as np
import pytest
from contracts.inside.network_contract import NetworkContract
from contracts.trainer_contract import training_of

from mlpipes_cli.config.runs import Run
from mlpipes_cli.trainers.base import Trainer, Training, TrainingError
from mlpipes_cli.trainers.keras.settings import KerasParams, KerasRun, Plateau
from mlpipes_cli.trainers.keras.trainer import KerasTrainer
from mlpipes_cli.trainers.networks.params import ImageSize

MODULE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x

def gate(x):
    return x * keras.ops.sigmoid(x)

def build(input_shape, n_classes, seed, units=8):
    assert seed == 7
    start = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation=gate)(Twice()(start))
    return keras.Model(start, keras.layers.Dense(n_classes, activation="softmax")(x))

def compiled(input_shape):
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="binary_crossentropy", metrics=["AUC"])
    return model

def logits(input_shape):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1)])

def nothing():
    pass

def flat(input_shape, units):
    layers = [keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input(input_shape), *layers])

def both(input_shape):
    table, picture = (keras.Input(input_shape[name], name=name) for name in ("table", "picture"))
    x = keras.layers.concatenate([table, keras.layers.Flatten()(picture)])
    return keras.Model({"table": table, "picture": picture}, keras.layers.Dense(1, activation="sigmoid")(x))
"""
LAYERS = [{"dense": {"units": 16, "activation": "relu"}}, {"dropout": 0.1}, "batch_normalization"]
PLATEAU = {"factor": 0.5, "patience": 0, "min_delta": "1e-4", "cooldown": 0, "min_lr": 0}
IMAGE = {"height": 6, "width": 8, "channels": 1}
EVERY_PARAM: tuple[dict[str, Any], ...] = (
    {
        "epochs": 3, "batch_size": 64, "optimizer": {"sgd": {"momentum": 0.9}}, "learning_rate": "1e-2",
        "loss": "binary_crossentropy", "validation_split": 0.2, "patience": 2, "min_delta": "1e-3",
        "restore_best": False, "class_weight": "balanced", "reduce_on_plateau": PLATEAU,
        "callbacks": [{"csv_logger": {"filename": "log.csv"}}],
    },
    {"epochs": 1, "image": IMAGE, "function": {"units": 3}, "class_weight": {"level": 2, "upright": 1}},
)  # fmt: skip


class TestKeras(NetworkContract):
    name = "keras"
    linear = {"layers": [{"dense": {"units": 1}}]}  # noqa: RUF012

    @pytest.fixture
    def trainer(self) -> Trainer:
        return KerasTrainer()

    @pytest.fixture
    def spec(self) -> Any:
        return lambda task: {
            "layers": LAYERS,
            "params": {"epochs": 12, "batch_size": 64, "learning_rate": 0.02},
        }

    @pytest.fixture
    def wrong(self) -> Any:
        fine = ["flatten"]
        return [
            ({"layers": [{"dens": {"units": 3}}], "params": {}}, "did you mean 'dense'?"),
            ({"layers": [{"dense": {"unit": 3}}], "params": {}}, "did you mean 'units'?"),
            ({"layers": [{"dense": {"units": 3, "activation": "reluu"}}], "params": {}}, "reluu"),
            ({"layers": [{"bidirectional": {"layer": {"lstmm": 2}}}], "params": {}}, "did you mean 'lstm'?"),
            ({"layers": fine, "params": {"optimizer": "adm"}}, "did you mean 'adam'?"),
            ({"layers": fine, "params": {"optimizer": {"sgd": {"momentun": 0.9}}}}, "'momentum'?"),
            ({"layers": fine, "params": {"callbacks": ["early_stop"]}}, "did you mean 'early_stopping'?"),
            ({"layers": fine, "params": {"epoch": 3}}, "did you mean 'epochs'?"),
            ({"layers": fine, "params": {"layers__3__units": 3}}, "from 0 to 0"),
        ]

    @pytest.fixture
    def image_spec(self) -> Any:
        layers = [
            {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
            "max_pooling2d",
            "flatten",
        ]
        return {"layers": layers, "params": {"epochs": 6, "learning_rate": 0.01, "batch_size": 16}}

    def test_places_in_the_file_are_told(self, trainer: Trainer) -> None:
        found = trainer.check({"layers": ["flatten", {"dens": {}}, {"dense": {"unit": 3}}], "params": {}})
        assert [place for place, _ in found] == [("layers", 1), ("layers", 2, "dense", "unit")]

    @pytest.mark.parametrize(
        ("layers", "text"),
        [
            ([{"conv2d": {"filters": 2, "kernel_size": 3}}], "layers -> 0 -> conv2d: .*expected min_ndim=4"),
            (
                ["flatten", {"reshape": {"target_shape": [30, 1]}}],
                "the shape .30, 1. per row; add `flatten`",
            ),
        ],
    )
    def test_layers_that_do_not_fit_are_told(self, trainer: Trainer, layers: Any, text: str) -> None:
        with pytest.raises(TrainingError, match=text):
            trainer.fit(training_of("binary", {"layers": layers, "params": {}}))

    def test_a_search_reaches_into_layers(self, trainer: Trainer) -> None:
        params = {"epochs": 1, "layers__0__units": 3, "layers__1__rate": 0.5}
        fitted = trainer.fit(training_of("binary", {"layers": LAYERS[:2], "params": params}))
        assert fitted.params["weights"] == 31 * 3 + 4

    def test_the_last_layer_may_be_ones_own(self, trainer: Trainer) -> None:
        last = {"dense": {"units": 2, "activation": "softmax"}}
        spec = {"layers": [last], "output": False, "params": {"epochs": 8, "learning_rate": 0.05}}
        training = training_of("binary", spec)
        fitted = trainer.fit(training)
        assert fitted.params["weights"] == 31 * 2
        assert (fitted.model.predict(training.X) == training.y.to_numpy()).mean() > 0.9

    def test_callbacks_and_plateaus(self, trainer: Trainer, told: Callable[..., Any]) -> None:
        seen = told()
        params = {
            "epochs": 4,
            "learning_rate": 0.1,
            "reduce_on_plateau": {"patience": 1, "min_delta": 10.0},
            "callbacks": [{"csv_logger": {"filename": "log.csv"}}, "terminate_on_nan"],
        }
        fitted = trainer.fit(training_of("binary", {"layers": ["flatten"], "params": params}, report=seen))
        rates = [epoch["learning_rate"] for epoch in seen.epochs]
        assert rates[0] > rates[-1]
        assert len((fitted.files["callbacks"] / "log.csv").read_text().splitlines()) == 5
        assert fitted.files["model.keras"].stat().st_size > 1000

    def test_the_users_function_and_its_own_layers_travel(self, trainer: Trainer, module: Any) -> None:
        module("keras_module", MODULE)
        spec = {"function": "keras_module:build", "params": {"epochs": 8, "function": {"units": 12}}}
        assert trainer.check(spec) == []
        training = training_of("multiclass", spec)
        fitted = trainer.fit(training)
        import keras_module

        cloudpickle.register_pickle_by_value(keras_module)
        try:
            body = cloudpickle.dumps(fitted.model)
        finally:
            cloudpickle.unregister_pickle_by_value(keras_module)
        again = cloudpickle.loads(cloudpickle.dumps(cloudpickle.loads(body)))
        assert np.array_equal(again.predict_proba(training.X), fitted.model.predict_proba(training.X))

    @pytest.mark.parametrize(
        ("name", "params", "text"),
        [
            ("logits", {}, "not probabilities"),
            ("nothing", {}, "returned a NoneType"),
            ("compiled", {"loss": "mse"}, "loss: the function returns a model that is already compiled"),
            ("build", {"function": {"unit": 3}}, "did you mean 'units'"),
        ],
    )
    def test_functions_that_do_not_do(
        self, trainer: Trainer, module: Any, name: str, params: Any, text: str
    ) -> None:
        module("keras_module", MODULE)
        spec = {"function": f"keras_module:{name}", "params": {"epochs": 1, **params}}
        with pytest.raises(TrainingError, match=text):
            trainer.fit(training_of("binary", spec))

    def test_a_compiled_model_is_fitted_as_it_is(
        self, trainer: Trainer, module: Any, told: Callable[..., Any]
    ) -> None:
        module("keras_module", MODULE)
        seen = told()
        spec = {"function": "keras_module:compiled", "params": {"epochs": 2}}
        trainer.fit(training_of("binary", spec, report=seen))
        assert set(seen.epochs[-1]) == {"loss", "AUC"}

    def test_images_beside_columns_need_a_function(
        self, trainer: Trainer, module: Any, pictures: Training
    ) -> None:
        module("keras_module", MODULE)
        both = replace(pictures, X=pictures.X.assign(number=np.arange(120) % 2 + 0.0))
        with pytest.raises(TrainingError, match="must be a sequence with one input"):
            trainer.fit(replace(both, spec={"layers": ["flatten"], "params": {}}))
        spec = {"function": "keras_module:both", "params": {"epochs": 3, "image__height": 6}}
        fitted = trainer.fit(replace(both, spec=spec))
        assert fitted.params["image_picture"] == "6 x 16 x 3"
        found = fitted.model.predict_proba(both.X)
        assert np.array_equal(fitted.model.predict_proba(both.X.iloc[3:4]), found[3:4])

    def test_every_param_is_taken_as_the_file_has_it(
        self, module: Any, pictures: Training, told: Callable[..., Any]
    ) -> None:
        assert documented.without_a_case(KerasParams, *EVERY_PARAM) == []
        assert documented.without_a_case(Plateau, PLATEAU) == []
        assert documented.without_a_case(ImageSize, IMAGE) == []
        assert {*KerasRun.model_fields} - {*Run.model_fields} == {"layers", "output", "function"}
        module("keras_module", MODULE)
        seen = told()
        layers = [*LAYERS, {"dense": {"units": 1, "activation": "sigmoid"}}]
        spec = documented.spec_of(trainer="keras", layers=layers, output=False, params=EVERY_PARAM[0])
        fitted = documented.fit(training_of("binary", spec, report=seen), spec)
        assert fitted.files["callbacks"].joinpath("log.csv").exists()
        assert 0 < len(seen.epochs) <= 3
        assert {"val_loss", "learning_rate"} <= set(seen.epochs[0])
        spec = documented.spec_of(trainer="keras", function="keras_module:flat", params=EVERY_PARAM[1])
        fitted = documented.fit(pictures, spec)
        assert fitted.params["image_picture"] == "6 x 8 x 1"
        assert fitted.params["weights"] == 6 * 8 * 3 + 3 + 3 + 1
