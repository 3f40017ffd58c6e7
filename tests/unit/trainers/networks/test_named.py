"""Names in YAML, held against classes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.networks import named
from mlpipes_cli.trainers.networks.named import Named


class Base:
    def __init__(self, *, name: str = "") -> None:
        self.name = name


class MaxPooling2D(Base):
    def __init__(self, pool_size: int = 2, **more: Any) -> None:
        if pool_size < 1:
            raise ValueError("pool_size is too small\nand more")
        super().__init__(**more)
        self.pool_size = pool_size


class Around(Base):
    def __init__(self, layer: Base) -> None:
        self.layer = layer


@pytest.fixture
def names() -> Named:
    module = ModuleType("some")
    vars(module).update(MaxPooling2D=MaxPooling2D, Around=Around, Base=Base, other=3, Exception=Exception)
    return Named(module, Base, "layer", more=("name",), nested=("layer",))


def test_a_name_may_be_written_in_several_ways(names: Named) -> None:
    assert names.names == ["around", "max_pooling2d"]
    for name in ("max_pooling2d", "max_pooling_2d", "MaxPooling2D", {"max_pooling2d": None}):
        assert names.make(name).pool_size == 2
    assert names.make({"max_pooling2d": 3}).pool_size == 3
    made = names.make({"max_pooling2d": {"pool_size": 4, "name": "mine"}})
    assert (made.pool_size, made.name) == (4, "mine")
    assert names.make({"around": {"layer": {"max_pooling2d": 5}}}).layer.pool_size == 5


@pytest.mark.parametrize(
    ("given", "place", "text"),
    [
        ("max_poling2d", ("layers", 0), "unknown layer 'max_poling2d'; did you mean 'max_pooling2d'?"),
        (
            {"max_pooling2d": {"pool_sise": 1}},
            ("layers", 0, "max_pooling2d", "pool_sise"),
            "max_pooling2d does not accept 'pool_sise'; did you mean 'pool_size'?",
        ),
        ({"max_pooling2d": {"x": 1}}, ("layers", 0, "max_pooling2d", "x"), "it accepts pool_size, name"),
        ({"max_pooling2d": 0}, ("layers", 0, "max_pooling2d"), "max_pooling2d: pool_size is too small"),
        ({"around": {"layer": {"maxx": {}}}}, ("layers", 0, "around", "layer"), "unknown layer 'maxx'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(names: Named, given: Any, place: Any, text: str) -> None:
    ((found, told),) = names.problems(given, ("layers", 0))
    assert found == place
    assert text in told
    assert "\n" not in told
    with pytest.raises(TrainingError):
        names.make(given)


def test_what_is_filled_in_is_not_for_the_user_to_give() -> None:
    module = ModuleType("some")
    vars(module).update(MaxPooling2D=MaxPooling2D)
    names = Named(module, Base, "layer", filled={"pool_size": 7})
    assert names.make("max_pooling2d").pool_size == 7


def test_a_function_gets_what_it_takes() -> None:
    def build(shape: int, units: int = 3) -> tuple[int, int]:
        return shape, units

    offered = {"shape": 1, "task": "binary", "units": 9}
    assert named.call(build, "m:build", {}, offered) == (1, 9)
    assert named.call(build, "m:build", {"units": 5}, offered) == (1, 5)
    with pytest.raises(TrainingError, match="m:build does not accept 'unit'; did you mean 'units'"):
        named.call(build, "m:build", {"unit": 5}, offered)
    with pytest.raises(
        TrainingError, match="missing a required argument: 'shape'; mlpipes passes task by name"
    ):
        named.call(build, "m:build", {}, {"task": "binary"})
