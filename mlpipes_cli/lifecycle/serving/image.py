"""``mlpipes build``: builds an image of the API with a model inside, which needs only a database."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlpipes_cli
from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.serving.settings import settings_in_image
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.local_files import private_files
from mlpipes_cli.ports import ModelSource, Reporter
from mlpipes_cli.ports.environments import EnvironmentSpec, of_model
from mlpipes_cli.ports.images import MODEL_FOLDER, Recipe
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.server.models.signature import describe
from mlpipes_cli.signing.files import digest, listed
from mlpipes_cli.suggest import did_you_mean

_TAG = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*(?::[\w][\w.-]{0,127})?")
_PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True)
class ImageModel:
    """The model in an image.

    Attributes:
        name: The registered model's name.
        version: Its version.
        alias: The alias that led to it; empty if the version was requested.
        run_id: The run that trained it; empty if the model does not name it.
        python: The version of Python that trained it, which is in the image.
    """

    name: str
    version: int
    alias: str
    run_id: str
    python: str


@dataclass(frozen=True)
class BuildResult:
    """The result of ``build``.

    Attributes:
        tag: The image's name.
        id: The engine's id, ``sha256:…``.
        size: Its size in bytes.
        model: The model in it.
    """

    tag: str
    id: str
    size: int
    model: ImageModel


def build(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    model: str | None = None,
    alias: str | None = None,
    version: int | None = None,
    tag: str | None = None,
    platform: str | None = None,
) -> BuildResult:
    """Build an image of the API with a registered model and that model's locked requirements.

    Args:
        project: The project whose registry is used, and whose settings the server in the image has.
        reporter: Receives progress messages.
        model: The registered model; that of mlpipes.yaml, or the only one, if omitted.
        alias: The alias of the version; that of mlpipes.yaml if neither this nor ``version`` is given.
        version: The version's number.
        tag: The image's name; ``mlpipes-MODEL:VERSION`` if omitted.
        platform: Such as linux/arm64; the engine's own if omitted.

    Raises:
        UsageError: There is no such model, or the tag is malformed.
        Untrusted: The model is not signed.
        MlpipesError: The stack does not run, nothing was promoted, there is no engine, or a step failed.
    """
    if tag is not None and not _TAG.fullmatch(tag):
        raise UsageError(
            f"--tag: {tag!r} is not a valid image name", "use one such as registry.example/team/name:1"
        )
    endpoints = wiring.make_runtime(project).endpoints()
    vault = project_vault.of(project, endpoints)
    name, number, told, promoted_at = _chosen(project, vault.source, model, alias, version)
    private_files.folder(project.cache)
    with tempfile.TemporaryDirectory(prefix="build-", dir=project.cache) as scratch:
        folder = Path(scratch)
        reporter.detail(f"fetching version {number} of {name}")
        vault.fetch(name, number, folder)
        inside = _look(folder, ImageModel(name, number, told, "", ""))
        environment = _environment(folder, name)
        recipe = Recipe(
            tag=_named(tag, inside),
            model=folder,
            python=inside.python if inside.python in _PYTHONS else _PYTHONS[0],
            environment=environment,
            settings=_settings(project, inside, promoted_at, digest(listed(folder))),
            labels=_labels(inside),
            platform=platform,
        )
        made = wiring.make_image_builder().build(recipe, reporter)
    return BuildResult(made.tag, made.id, made.size, inside)


def _chosen(
    project: ProjectFolder, source: ModelSource, model: str | None, alias: str | None, version: int | None
) -> tuple[str, int, str, str | None]:
    """Return the model, its version, the alias that led to it, and when the alias was moved there."""
    name = model or project.config.serving.model or _only(source)
    found = source.published(name)
    if found is None:
        known = did_you_mean(name, source.names())
        raise UsageError(f"there is no registered model {name!r}{known}", "see `mlpipes models`")
    if version is not None:
        return name, version, "", None
    alias = alias or project.config.serving.alias
    if alias not in found.aliases:
        promote = "`mlpipes promote`" if alias == "production" else f"`mlpipes promote --to {alias}`"
        raise MlpipesError(
            f"model {name!r} has no {alias!r} version", f"{promote}, or choose one with --version"
        )
    return name, found.aliases[alias], alias, found.promoted.get(alias)


def _only(source: ModelSource) -> str:
    names = source.names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise MlpipesError("no model is registered yet", "train, then `mlpipes promote`")
    raise UsageError(
        f"there are several registered models: {', '.join(names)}",
        "choose one with --model NAME or `serving: {model: NAME}` in mlpipes.yaml",
    )


def _look(folder: Path, model: ImageModel) -> ImageModel:
    """Complete the model from its own files: the run that trained it, and the version of Python.

    Raises:
        MlpipesError: They are not complete enough for an image.
    """
    import yaml

    from mlpipes_cli.config import yaml_bounds

    which = f"version {model.version} of model {model.name!r}"
    if not (folder / "requirements.txt").is_file():
        raise MlpipesError(
            f"{which} has no requirements.txt, so its requirements are unknown",
            "log it again with `pip_requirements=[...]`, or train it with mlpipes",
        )

    def read(name: str) -> Mapping[str, Any]:
        try:
            found = yaml_bounds.load((folder / name).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return {}
        return found if isinstance(found, dict) else {}

    description = read("MLmodel")
    flavor = (description.get("flavors") or {}).get("python_function") or {}
    said = str(read("python_env.yaml").get("python") or flavor.get("python_version") or "")
    python = ".".join(said.split(".")[:2])
    if python not in _PYTHONS and not (python and _environment(folder, model.name)):
        told = (
            f"was trained with Python {said}" if said else "does not record which Python it was trained with"
        )
        raise MlpipesError(
            f"{which} {told}; the API runs on {_PYTHONS[0]} to {_PYTHONS[-1]}",
            "retrain it with one of those",
        )
    return replace(model, run_id=str(description.get("run_id") or ""), python=python)


def _environment(folder: Path, name: str) -> EnvironmentSpec | None:
    """Return the model's own environment; None for a model that runs in the API's."""
    try:
        return of_model(describe(folder).details, name)
    except (OSError, ValueError):
        return None


def _named(tag: str | None, model: ImageModel) -> str:
    if tag is None:
        slug = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-") or "model"
        return f"mlpipes-{slug}:{model.version}"
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:{model.version}"


def _labels(model: ImageModel) -> dict[str, str]:
    """Return the image's labels, by the OCI's names and ours."""
    return {
        "org.opencontainers.image.title": model.name,
        "org.opencontainers.image.version": str(model.version),
        "org.opencontainers.image.description": f"Prediction API on version {model.version} of {model.name}",
        "org.opencontainers.image.created": datetime.now(UTC).isoformat(timespec="seconds"),
        "io.mlpipes.model": model.name,
        "io.mlpipes.model.version": str(model.version),
        "io.mlpipes.model.run": model.run_id,
        "io.mlpipes.release": mlpipes_cli.__version__,
        **({"io.mlpipes.model.alias": model.alias} if model.alias else {}),
    }


def _settings(project: ProjectFolder, model: ImageModel, promoted_at: str | None, files: str) -> str:
    """Return the settings of the server in the image: ``serving`` of mlpipes.yaml, for this one model."""
    serving = project.config.serving
    alias = model.alias or f"version-{model.version}"
    place = Path(MODEL_FOLDER)
    told = settings_in_image(serving, model.name, model.version, alias, place, promoted_at, files)
    return json.dumps({**json.loads(told.to_json()), "workers": serving.workers})
