"""``trainer: torch`` in its own environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import documented
import numpy as np
import pytest
from contracts.inside.network_contract import NetworkContract
from contracts.trainer_contract import training_of

from mlpipes_cli.trainers.base import Trainer, Training, TrainingError
from mlpipes_cli.trainers.networks.params import ImageSize
from mlpipes_cli.trainers.torch.settings import TorchParams
from mlpipes_cli.trainers.torch.trainer import TorchTrainer

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, n_features, n_outputs, hidden=16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_features, hidden), nn.ReLU(), nn.BatchNorm1d(hidden), nn.Dropout(0.1),
            nn.Linear(hidden, n_outputs),
        )

    def forward(self, x):
        return self.body(x)

def pictures(input_shape, n_outputs):
    channels, high, wide = input_shape
    inner = 4 * ((high - 2) // 2) * ((wide - 2) // 2)
    first = [nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(inner, n_outputs))

class Both(nn.Module):
    def __init__(self, input_shape, n_outputs):
        super().__init__()
        assert input_shape["table"] == (1,)
        self.last = nn.LazyLinear(n_outputs)

    def forward(self, parts):
        return self.last(torch.cat([parts["table"], parts["picture"].flatten(1)], 1))

def flat(n_features):
    return nn.Sequential(nn.Linear(n_features, 1), nn.Flatten(0))

def two(n_features):
    return nn.Linear(n_features, 2)

def three(n_features):
    return nn.Linear(n_features, 3)

def sigmoid(n_features):
    return nn.Sequential(nn.Linear(n_features, 1), nn.Sigmoid())

def needs(n_features, depth):
    pass

def nothing():
    pass

def own_loss(outputs, target):
    return ((outputs - target) ** 4).mean()

number = 3
"""
IMAGE = {"height": 6, "width": 8, "channels": 1}
EVERY_PARAM: tuple[dict[str, Any], ...] = (
    {
        "epochs": 3, "batch_size": 64, "optimizer": {"sgd": {"momentum": 0.9}}, "learning_rate": "1e-2",
        "loss": "cross_entropy", "validation_split": 0.2, "patience": 2, "min_delta": "1e-3",
        "restore_best": False, "class_weight": "balanced", "module": {"hidden": 5}, "weight_decay": "1e-4",
        "clip": 1,
    },
    {"epochs": 1, "image": IMAGE, "class_weight": {"level": 2, "upright": 1}},
)  # fmt: skip


class TestTorch(NetworkContract):
    name = "torch"
    linear = {"module": "torch_module:flat"}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def user_module(self, module: Any) -> None:
        module("torch_module", MODULE)

    @pytest.fixture
    def trainer(self) -> Trainer:
        return TorchTrainer()

    @pytest.fixture
    def spec(self) -> Any:
        params = {"epochs": 15, "batch_size": 64, "learning_rate": 0.02, "clip": 5.0, "weight_decay": 1e-4}
        return lambda task: {"module": "torch_module:Net", "params": params}

    @pytest.fixture
    def wrong(self) -> Any:
        net = "torch_module:Net"
        return [
            ({"module": "torch_module:Ned", "params": {}}, "did you mean 'Net'?"),
            ({"module": "torch_module:number", "params": {}}, "use a class or a function"),
            ({"module": net, "params": {"module": {"hiden": 3}}}, "did you mean 'hidden'?"),
            ({"module": net, "params": {"module__hiden": 3}}, "did you mean 'hidden'?"),
            ({"module": net, "params": {"optimizer": "adamm"}}, "did you mean 'adam'?"),
            ({"module": net, "params": {"optimizer": {"sgd": {"momentun": 0.9}}}}, "'momentum'?"),
            ({"module": net, "params": {"loss": "cross_entropi"}}, "did you mean 'cross_entropy'?"),
            ({"module": net, "params": {"loss": "torch_module:none"}}, "no 'none'"),
            ({"module": net, "params": {"epoch": 3}}, "did you mean 'epochs'?"),
        ]

    @pytest.fixture
    def image_spec(self) -> Any:
        params = {"epochs": 8, "learning_rate": 0.01, "batch_size": 16}
        return {"module": "torch_module:pictures", "params": params}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("sigmoid", "ends in Sigmoid; remove it"),
            ("three", r"returned \(3,\) for a row; a binary target needs \(1 or 2,\)"),
            ("needs", "missing a required argument: 'depth'; mlpipes passes n_features"),
            ("nothing", "returned a NoneType, not a torch.nn.Module"),
        ],
    )
    def test_modules_that_do_not_do(self, trainer: Trainer, name: str, text: str) -> None:
        with pytest.raises(TrainingError, match=text):
            trainer.fit(training_of("binary", {"module": f"torch_module:{name}", "params": {"epochs": 1}}))

    def test_a_loss_for_another_task_is_refused(self, trainer: Trainer) -> None:
        spec = {"module": "torch_module:Net", "params": {"loss": "mse"}}
        with pytest.raises(TrainingError, match="'mse' does not apply to a binary target; use cross_entropy"):
            trainer.fit(training_of("binary", spec))

    def test_two_outputs_for_two_classes_do_too(self, trainer: Trainer) -> None:
        spec = {"module": "torch_module:two", "params": {"epochs": 10, "learning_rate": 0.05}}
        training = training_of("binary", spec)
        fitted = trainer.fit(training)
        assert (fitted.model.predict(training.X) == training.y.to_numpy()).mean() > 0.9

    @pytest.mark.parametrize("loss", ["mae", "huber", "smooth_l1", "torch_module:own_loss"])
    def test_losses_for_quantities(self, trainer: Trainer, loss: str) -> None:
        params = {"epochs": 30, "learning_rate": 0.02, "loss": loss}
        training = training_of("regression", {"module": "torch_module:flat", "params": params})
        found = trainer.fit(training).model.predict(training.X)
        assert np.corrcoef(found, training.y)[0, 1] > 0.6

    def test_a_last_batch_of_one_row_does_no_harm(self, trainer: Trainer, spec: Any) -> None:
        given = spec("binary")
        given["params"] = {**given["params"], "epochs": 1, "batch_size": 71}  # 569 = 8 * 71 + 1
        assert trainer.fit(training_of("binary", given)).params["epochs_run"] == 1

    def test_the_weights_are_kept_in_a_file_of_their_own(self, trainer: Trainer, spec: Any) -> None:
        import torch

        fitted = trainer.fit(training_of("binary", spec("binary")))
        weights = torch.load(fitted.files["weights.pt"], weights_only=True)
        assert weights["body.0.weight"].shape == (16, 30)

    def test_images_beside_columns(self, trainer: Trainer, pictures: Training) -> None:
        both = replace(pictures, X=pictures.X.assign(number=np.arange(120) % 2 + 0.0))
        spec = {"module": "torch_module:Both", "params": {"epochs": 3, "image": {"height": 6, "channels": 1}}}
        fitted = trainer.fit(replace(both, spec=spec))
        assert fitted.params["image_picture"] == "6 x 16 x 1"
        found = fitted.model.predict_proba(both.X)
        assert np.array_equal(fitted.model.predict_proba(both.X.iloc[3:4]), found[3:4])

    def test_every_param_is_taken_as_the_file_has_it(self, pictures: Training, told: Any) -> None:
        assert documented.without_a_case(TorchParams, *EVERY_PARAM) == []
        assert documented.without_a_case(ImageSize, IMAGE) == []
        seen = told()
        spec = documented.spec_of(trainer="torch", module="torch_module:Net", params=EVERY_PARAM[0])
        fitted = documented.fit(training_of("binary", spec, report=seen), spec)
        assert fitted.params["weights"] == 30 * 5 + 5 + 2 * 5 + 5 + 1
        assert "val_loss" in seen.epochs[0]
        spec = documented.spec_of(trainer="torch", module="torch_module:pictures", params=EVERY_PARAM[1])
        assert documented.fit(pictures, spec).params["image_picture"] == "6 x 8 x 1"
