"""The image of ``mlpipes build``: the API, a model, and what that model needs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import resources
from mlpipes_cli.adapters.docker import images
from mlpipes_cli.adapters.docker.building import build_image
from mlpipes_cli.adapters.docker.faults import speaking
from mlpipes_cli.compose.model import Build, Service
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.images import BuiltImage, Recipe

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine import Engine
    from mlpipes_cli.ports import Reporter

_BUILDS = ("uv",)  # what makes environments; an image with the model inside makes none
_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracking")  # of one version, or none works


class DockerImageBuilder:
    """Implements :class:`mlpipes_cli.ports.images.ImageBuilder` with a Docker engine."""

    def build(self, recipe: Recipe, reporter: Reporter) -> BuiltImage:
        from mlpipes_cli.adapters.docker.engine import connect

        engine = connect()
        if recipe.platform is None:
            _want_python(engine, recipe.python, reporter)
        folder = resources.compose() / "api"
        with tempfile.TemporaryDirectory(prefix="mlpipes-build-") as scratch:
            made = Path(scratch)
            (made / "settings.json").write_text(recipe.settings, encoding="utf-8")
            parts = {
                "mlpipes_cli": resources.package(),
                "settings.json": made / "settings.json",
                **_of_model(recipe.model),
                **(_together if recipe.environment is None else _apart)(folder, recipe, made),
            }
            args = {"PYTHON": recipe.python}
            if recipe.environment is not None:
                args["MODEL_PYTHON"] = recipe.environment.python
            build = Build(folder, args=args, parts=parts)
            labels = {**recipe.labels, "org.opencontainers.image.base.name": _base(recipe.python)}
            id = build_image(engine, recipe.tag, build, reporter, labels=labels, platform=recipe.platform)
        api: Any = engine.client.api
        with speaking(f"looking for {recipe.tag}"):
            return BuiltImage(recipe.tag, id, int(api.inspect_image(id)["Size"]))


def _together(folder: Path, recipe: Recipe, scratch: Path) -> dict[str, Path]:
    """What makes one environment of what the API and what the model needs."""
    for name, text in requirements(folder, recipe.model).items():
        (scratch / name).write_text(text, encoding="utf-8")
    return {
        "Dockerfile": folder / "model.Dockerfile",
        "requirements/serving.txt": scratch / "serving.txt",
        "requirements/locked.txt": scratch / "locked.txt",
    }


def _apart(folder: Path, recipe: Recipe, scratch: Path) -> dict[str, Path]:
    """What makes the API's environment, by the same layers as in the stack's image, and the model's."""
    assert recipe.environment is not None
    lock = recipe.environment.lock or ()
    (scratch / "environment.txt").write_text("".join(f"{pin}\n" for pin in lock), encoding="utf-8")
    return {
        "Dockerfile": folder / "environment.Dockerfile",
        "compose/api/requirements.lock": folder / "requirements.lock",
        "requirements/environment.txt": scratch / "environment.txt",
    }


def _base(python: str) -> str:
    return f"python:{python}-slim-bookworm"


def _want_python(engine: Engine, python: str, reporter: Reporter) -> None:
    """Have the image of the Python that trained the model.

    Raises:
        MlpipesError: It cannot be had.
    """
    try:
        images.ensure(engine, [Service("python", _base(python))], reporter)
    except MlpipesError as error:
        raise MlpipesError(
            f"the model was trained with Python {python}, and its image is not available: {error.reason}",
            error.hint,
        ) from None


def _of_model(model: Path) -> dict[str, Path]:
    """The model's files by their path in the build, and those that name its requirements once more."""
    files = {f"model/{path.relative_to(model)}": path for path in sorted(model.rglob("*")) if path.is_file()}
    named = [name for name in ("requirements.txt", "constraints.txt") if (model / name).is_file()]
    return files | {f"requirements/{name}": model / name for name in named}


def requirements(folder: Path, model: Path) -> dict[str, str]:
    """What pip is told beside the model's own requirements, whose versions count first.

    Args:
        folder: Holds ``requirements.in`` and ``requirements.lock`` of the API.
        model: Holds ``requirements.txt`` of the model.

    Returns:
        ``serving.txt``, what the API needs and the model does not name; ``locked.txt``, the versions of
        all that the model leaves open.
    """
    taken = set(pins((model / "requirements.txt").read_text(encoding="utf-8")))
    if taken & set(_MLFLOW):
        taken |= set(_MLFLOW)
    locked = pins((folder / "requirements.lock").read_text(encoding="utf-8"))
    wanted = [name for name in _lines(folder / "requirements.in") if name not in _BUILDS]
    free = {name: version for name, version in locked.items() if name not in taken and version}
    serving = [f"{name}=={free[name]}" for name in wanted if name in free]
    return {
        "serving.txt": "\n".join(serving) + "\n",
        "locked.txt": "".join(f"{name}=={version}\n" for name, version in free.items()),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def pins(text: str) -> Mapping[str, str]:
    """The packages of a requirements file by normalised name; the exact version, empty where it has none."""
    found = {}
    for line in text.splitlines():
        match = re.match(
            r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([^\s;#\\,]+)\s*(?:[;#\\]|$))?", line
        )
        if match:
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2] or ""
    return found
