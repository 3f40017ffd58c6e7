"""The JSON Schemas in the package: current, and true to what the models take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mlpipes_cli.config.schema import MODELS, schema, schema_text
from mlpipes_cli.lifecycle.scaffold import make_project
from mlpipes_cli.package_files import templates

ROOT = Path(__file__).parents[3]
RUN = {"name": "a", "trainer": "sklearn", "estimator": "sklearn.dummy.DummyClassifier"}
DATA = {"source": "a.csv", "target": "y"}


def complaints(name: str, document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema(name))
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_packaged_schema_is_current(name: str) -> None:
    packaged = (ROOT / "mlpipes_cli" / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    assert packaged == schema_text(name), "run `make schemas`"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


def keys(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that a schema names, at any depth."""
    if isinstance(part, dict):
        for name, value in part.get("properties", {}).items():
            yield f"{path}.{name}", value
        for name, value in part.items():
            yield from keys(value, f"{path}.{name}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from keys(value, f"{path}.{number}")


@pytest.mark.parametrize(
    ("name", "least"), [("mlpipes", 60), ("experiment", 150), ("dataset", 60), ("pipeline", 50)]
)
def test_every_key_has_a_description_that_editors_show(name: str, least: int) -> None:
    found = dict(keys(schema(name)))
    assert len(found) >= least
    assert [key for key, value in found.items() if len(value.get("description") or "") < 5] == []


def examples() -> list[str]:
    return sorted(p.name for p in templates().iterdir() if p.is_dir() and not p.name.startswith("_"))


@pytest.mark.parametrize("example", examples())
def test_new_projects_keep_to_it(example: str, tmp_path: Path) -> None:
    make_project(tmp_path / "made", example)
    for name in ("mlpipes", "experiment"):
        path = tmp_path / "made" / f"{name}.yaml"
        assert complaints(name, yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_the_complete_example_keeps_to_it() -> None:
    text = (ROOT / "mlpipes.yaml.example").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    assert complaints("mlpipes", document) == []
    settings = MODELS["mlpipes"].model_validate(document)
    assert settings.model_fields_set == set(MODELS["mlpipes"].model_fields), "every setting is told"


@pytest.mark.parametrize(
    "search",
    [
        {"max_depth": [4, 8, None]},
        {"method": "random", "iterations": 5, "space": {"C": {"loguniform": [0.1, 10]}}},
    ],
)
def test_both_ways_to_write_a_search(search: dict[str, Any]) -> None:
    document = {"experiment": "e", "data": DATA, "runs": [{**RUN, "search": search}]}
    assert complaints("experiment", document) == []
    MODELS["experiment"].model_validate(document)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("mlpipes", {"project": "a", "stak": {}}),
        ("mlpipes", {"project": "a", "serving": {"port": 0}}),
        ("mlpipes", {"project": "a", "promotion": {"metric": "kss"}}),
        ("experiment", {"experiment": "e", "data": DATA, "runs": []}),
        ("experiment", {"experiment": "e", "data": DATA, "runs": [{**RUN, "trainer": "sklern"}]}),
        ("experiment", {"experiment": "e", "data": {**DATA, "targt": "y"}, "runs": [RUN]}),
        ("experiment", {"experiment": "e", "data": DATA, "runs": [{**RUN, "search": {"C": 1}}]}),
        ("dataset", {"dataset": "d", "source": "a.csv", "load": {"mode": "mrege"}}),
        ("dataset", {"dataset": "d", "source": "a.csv", "columns": {"a": {"typ": "text"}}}),
        ("pipeline", {"pipeline": "p", "steps": [{"name": "a"}]}),
        ("pipeline", {"pipeline": "p", "steps": [{"name": "a", "run": "true", "train": "e.yaml"}]}),
        ("pipeline", {"pipeline": "p", "steps": [{"name": "a", "run": "true", "need": ["b"]}]}),
        ("pipeline", {"pipeline": "p", "steps": [{"name": "a", "data": "laod"}]}),
        ("dataset", {"dataset": "d", "source": "a.csv", "checks": [{"fresh": {"column": "a", "within": 7}}]}),
    ],
)
def test_an_editor_sees_the_mistakes_that_the_command_line_sees(name: str, document: Any) -> None:
    assert complaints(name, document)
    with pytest.raises(ValueError, match="validation error"):
        MODELS[name].model_validate(document)
