"""Build the image of ``mlpipes build``: the API, a model, and the model's requirements."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import package_files
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.images import bill_of_materials, service_images
from mlpipes_cli.adapters.docker.images.base_images import arguments
from mlpipes_cli.adapters.docker.images.build import SAID_EVERY, build_image
from mlpipes_cli.adapters.docker.images.reference import ImageReference, parse
from mlpipes_cli.adapters.docker.images.requirement_hashes import hashed
from mlpipes_cli.compose.model import Build
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.images import BuiltImage, Recipe

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.ports import Reporter

_BUILDS = ("uv",)  # creates environments; an image that contains the model needs none
_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracking")  # their versions have to be the same


class DockerImageBuilder:
    """Implements :class:`mlpipes_cli.ports.images.ImageBuilder` with a Docker engine."""

    def build(self, recipe: Recipe, reporter: Reporter) -> BuiltImage:
        from mlpipes_cli.adapters.docker.engine.connection import connect

        engine = connect()
        folder = package_files.compose() / "api"
        with tempfile.TemporaryDirectory(prefix="mlpipes-build-") as scratch:
            made = Path(scratch)
            (made / "settings.json").write_text(recipe.settings, encoding="utf-8")
            parts = {
                "mlpipes_cli": package_files.package(),
                "settings.json": made / "settings.json",
                **_of_model(recipe.model),
                **self._packages(engine, folder, recipe, made, reporter),
            }
            base = _base(parts["Dockerfile"].read_text(encoding="utf-8"), recipe.python)
            sbom = bill_of_materials.document(recipe, base, _locks(parts))
            (made / bill_of_materials.FILE).write_text(sbom, encoding="utf-8")
            parts[bill_of_materials.FILE] = made / bill_of_materials.FILE
            args = {"PYTHON_IMAGE": str(base)}
            if recipe.environment is not None:
                args["MODEL_PYTHON"] = recipe.environment.python
            build = Build(folder, args=args, parts=parts)
            labels = {**recipe.labels, "org.opencontainers.image.base.name": base.named}
            below = _below(engine, build, recipe, reporter)
            if below["PYTHON_IMAGE"] == base.pinned:
                labels["org.opencontainers.image.base.digest"] = base.digest
            id = build_image(
                engine, recipe.tag, build, reporter, labels=labels, platform=recipe.platform, bases=below
            )
        api: Any = engine.client.api
        with translate_errors(f"looking for {recipe.tag}"):
            return BuiltImage(recipe.tag, id, int(api.inspect_image(id)["Size"]), sbom)

    def name(self, image: BuiltImage, name: str) -> None:
        from mlpipes_cli.adapters.docker.engine.connection import connect

        wanted = parse(name)
        with translate_errors(f"naming the image {wanted.named}"):
            connect().client.api.tag(image.id, wanted.repository, tag=wanted.tag)

    def push(self, image: BuiltImage, name: str, reporter: Reporter) -> str:
        from mlpipes_cli.adapters.docker.engine.connection import connect
        from mlpipes_cli.adapters.docker.images.push import push

        self.name(image, name)
        return push(connect(), parse(name), reporter)

    @staticmethod
    def _packages(
        engine: DockerEngine, folder: Path, recipe: Recipe, scratch: Path, reporter: Reporter
    ) -> dict[str, Path]:
        """Return the files of the build: the Dockerfile and the lists of packages that it installs."""
        parts = _together if recipe.environment is None else _apart
        with reporter.task("looking for the packages of the model", every=SAID_EVERY):
            return parts(folder, recipe, scratch, _machine(engine, recipe.platform))


def _together(folder: Path, recipe: Recipe, scratch: Path, machine: str) -> dict[str, Path]:
    """Return the build files for one environment with the requirements of the API and of the model."""
    for name, text in requirements(folder, recipe.model).items():
        (scratch / name).write_text(text, encoding="utf-8")
    lock = hashed(
        [recipe.model / "requirements.txt", scratch / "serving.txt"],
        constraints=scratch / "locked.txt",
        folder=scratch,
        python=recipe.python,
        machine=machine,
        known=folder / "requirements.lock",
    )
    (scratch / "requirements.lock").write_text(lock, encoding="utf-8")
    return {
        "Dockerfile": folder / "model.Dockerfile",
        "requirements/requirements.lock": scratch / "requirements.lock",
    }


def _apart(folder: Path, recipe: Recipe, scratch: Path, machine: str) -> dict[str, Path]:
    """Return the build files for two environments: the API's, with the stack image's layers; the model's."""
    assert recipe.environment is not None
    pinned, lock = scratch / "environment.txt", scratch / "environment.lock"
    pinned.write_text("".join(f"{pin}\n" for pin in recipe.environment.lock or ()), encoding="utf-8")
    found = hashed(
        [pinned],
        folder=scratch,
        python=recipe.environment.python,
        machine=machine,
        known=folder / "requirements.lock",
        complete=True,
    )
    lock.write_text(found, encoding="utf-8")
    return {
        "Dockerfile": folder / "environment.Dockerfile",
        "compose/common.lock": folder.parent / "common.lock",
        "compose/api/requirements.lock": folder / "requirements.lock",
        "requirements/environment.lock": lock,
    }


def _locks(parts: Mapping[str, Path]) -> dict[str, str]:
    """Return the locks of a build by the environment that they are installed into."""
    of_model = parts.get("requirements/environment.lock")
    texts = {path: file.read_text(encoding="utf-8") for path, file in parts.items() if path.endswith(".lock")}
    own = "".join(text for path, text in texts.items() if path != "requirements/environment.lock")
    return {"api": own} | ({} if of_model is None else {"model": texts["requirements/environment.lock"]})


def _machine(engine: DockerEngine, platform: str | None) -> str:
    """Return the image's architecture, such as amd64."""
    if platform is not None:
        return platform.partition("/")[2].partition("/")[0]
    with translate_errors("asking the Docker engine about its machine"):
        return str(engine.client.api.version().get("Arch"))


def _base(dockerfile: str, python: str) -> ImageReference:
    """Return the image of a Python version, as the Dockerfile pins it."""
    pinned = arguments(dockerfile).get(f"PYTHON_{python.replace('.', '_')}")
    return parse(pinned or f"python:{python}-slim-bookworm")


def _below(engine: DockerEngine, build: Build, recipe: Recipe, reporter: Reporter) -> Mapping[str, str]:
    """Provide the base image with the Python version that trained the model.

    Raises:
        MlpipesError: The image is not available.
    """
    try:
        return service_images.bases(engine, build, reporter, recipe.platform)
    except MlpipesError as error:
        raise MlpipesError(
            f"the model was trained with Python {recipe.python}, whose image is missing: {error.reason}",
            error.hint,
        ) from None


def _of_model(model: Path) -> dict[str, Path]:
    """Return the model's files by their path in the build."""
    return {f"model/{path.relative_to(model)}": path for path in sorted(model.rglob("*")) if path.is_file()}


def requirements(folder: Path, model: Path) -> dict[str, str]:
    """Return uv's input besides the model's own requirements, whose versions take precedence.

    Args:
        folder: Holds ``requirements.in`` and ``requirements.lock`` of the API.
        model: Holds ``requirements.txt`` of the model.

    Returns:
        ``serving.txt``: the API's requirements that the model does not name; ``locked.txt``: the versions
        of all packages that the model does not pin.
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
    """Return the exact versions in a requirements file by normalised name; empty for an unpinned package."""
    found = {}
    for line in text.splitlines():
        match = re.match(
            r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([^\s;#\\,]+)\s*(?:[;#\\]|$))?", line
        )
        if match:
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2] or ""
    return found
