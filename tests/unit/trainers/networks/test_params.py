"""The params of networks, as the file has them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlpipes_cli.trainers.keras.settings import KerasRun
from mlpipes_cli.trainers.torch.settings import TorchRun


def keras(**given: Any) -> KerasRun:
    return KerasRun.model_validate({"name": "k", "trainer": "keras", "layers": ["flatten"], **given})


def test_params_are_kept_as_they_were_given() -> None:
    params = {"epochs": 3, "learning_rate": "1e-3", "class_weight": {0: 1, 1: 2}, "reduce_on_plateau": True}
    run = keras(params=params)
    assert run.params == {**params, "learning_rate": 0.001}
    assert run.model_dump(mode="python")["params"] == run.params
    assert keras().params == {}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"params": {"epochs": 0}}, "greater than or equal to 1"),
        ({"params": {"optimizer": {"adam": {}, "sgd": {}}}}, "expected a name, or"),
        ({"layers": [{"dense": {}, "flatten": {}}]}, "expected a name, or"),
        ({"layers": []}, "at least 1 item"),
        ({"params": {"image": {"hight": 3}}}, "hight"),
        ({"params": {"layers__x__units": 3}}, "layers__x__units"),
        ({"params": {"function": {"units": 3}}}, "`params: function` is only valid with `function`"),
        ({"function": "a:b"}, "give either `layers` or `function`"),
        ({"function": "a:b", "layers": None, "output": False}, "`output` is only valid with `layers`"),
        ({"search": {"learning_rat": [1]}}, "did you mean 'learning_rate'?"),
        ({"search": {"learning_rate": [-1]}}, "learning_rate: input should be greater than 0"),
    ],
)
def test_mistakes_are_told(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text.replace("?", r"\?")):
        keras(**given)


def test_a_search_may_name_what_stands_inside_of_params() -> None:
    assert keras(search={"layers__0__units": [3, 4], "image__height": [8]}).search is not None
    run = {"name": "t", "trainer": "torch", "module": "a:B", "search": {"module__hidden": [8, 16]}}
    assert TorchRun.model_validate(run).search is not None
    with pytest.raises(ValidationError, match="no parameter 'layers__0__units'"):
        TorchRun.model_validate({**run, "search": {"layers__0__units": [8]}})
