"""What `mlpipes build` reads of a model, and what its image is called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlpipes_cli.config.serving import Serving
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.serving import image
from mlpipes_cli.lifecycle.serving.image import ImageModel
from mlpipes_cli.lifecycle.serving.settings import settings_in_image

MODEL = ImageModel("Credit Default/2", 7, "production", "", "")


def files(folder: Path, python: str, run: str = "abc") -> Path:
    (folder / "MLmodel").write_text(
        f"run_id: {run}\nflavors:\n  python_function:\n    python_version: {python}\n"
    )
    (folder / "requirements.txt").write_text("pandas==3.0.6\n")
    return folder


def test_the_models_own_files_say_run_and_python(tmp_path: Path) -> None:
    found = image._look(files(tmp_path, "3.11.7"), MODEL)
    assert (found.run_id, found.python) == ("abc", "3.11")
    (tmp_path / "python_env.yaml").write_text("python: 3.12.1\n")
    assert image._look(tmp_path, MODEL).python == "3.12"


@pytest.mark.parametrize(
    ("python", "words"), [("3.9.2", "was trained with Python 3.9.2"), ("''", "does not record")]
)
def test_a_python_that_the_api_does_not_run_on(tmp_path: Path, python: str, words: str) -> None:
    with pytest.raises(MlpipesError, match=words) as caught:
        image._look(files(tmp_path, python), MODEL)
    assert "3.11 to 3.13" in caught.value.reason


def test_a_model_without_requirements(tmp_path: Path) -> None:
    files(tmp_path, "3.11.7")
    (tmp_path / "requirements.txt").unlink()
    with pytest.raises(MlpipesError, match=r"has no requirements\.txt"):
        image._look(tmp_path, MODEL)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (None, "mlpipes-credit-default-2:7"),
        ("fraud", "fraud:7"),
        ("registry.example:5000/team/fraud", "registry.example:5000/team/fraud:7"),
        ("registry.example:5000/team/fraud:new", "registry.example:5000/team/fraud:new"),
    ],
)
def test_the_images_name(tag: str | None, name: str) -> None:
    assert image._named(tag, MODEL) == name
    assert image._TAG.fullmatch(name)


@pytest.mark.parametrize("tag", ["Upper", "a b", "a:", ":1", "-a", "a:b:c", "a//b", ""])
def test_what_is_no_name_of_an_image(tag: str) -> None:
    assert not image._TAG.fullmatch(tag)


def test_models_without_an_alphabet_we_know_have_a_name_too() -> None:
    assert image._named(None, replace(MODEL, name="模型")) == "mlpipes-model:7"


def test_the_image_knows_no_registry() -> None:
    serving = Serving.model_validate(
        {
            "also": ["staging"],
            "mirror": {"alias": "staging", "share": 0.5},
            "cors": ["*"],
            "access_log": "all",
        }
    )
    told = settings_in_image(serving, "fraud", 7, "production", Path("/opt/model"), None, "f" * 64)
    assert (told.folder, told.version, told.also, told.mirror_alias) == ("/opt/model", 7, (), None)
    assert (told.cors, told.access_log, told.spool) == (("*",), "all", None)
    assert json.loads(told.to_json())["model"] == "fraud"


def test_a_model_of_another_environment_may_have_any_python(tmp_path: Path) -> None:
    files(tmp_path, "3.10.4")
    with (tmp_path / "MLmodel").open("a") as file:
        file.write(
            "metadata:\n  mlpipes:\n    environment: {hash: a, python: '3.10', requirements: [x==1]}\n"
        )
    assert image._look(tmp_path, MODEL).python == "3.10"
    found = image._environment(tmp_path, "credit")
    assert found is not None
    assert (found.python, found.lock) == ("3.10", ("x==1",))
    assert image._environment(files(tmp_path, "3.11"), "credit") is None
