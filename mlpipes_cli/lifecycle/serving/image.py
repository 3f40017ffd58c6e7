"""``mlpipes build``: builds an image of the API with a model inside, which needs only a database."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlpipes_cli
from mlpipes_cli import mlflow_tags, output_files
from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.serving.settings import settings_in_image
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.local_files import private_files
from mlpipes_cli.ports import ModelSource, Reporter
from mlpipes_cli.ports.environments import EnvironmentSpec, of_model
from mlpipes_cli.ports.images import MODEL_FOLDER, SBOM_FILE, Recipe
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.server.models.signature import describe
from mlpipes_cli.signing.files import digest, listed
from mlpipes_cli.suggest import did_you_mean

_TAG = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*(?::[\w][\w.-]{0,127})?")
_SBOM_MARK = '"CycloneDX"'
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
        commit: The commit of the code that trained it, with ``-dirty`` if there were changes; empty if it is
            not known.
    """

    name: str
    version: int
    alias: str
    run_id: str
    python: str
    commit: str = ""


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry.

    Attributes:
        name: The name that it was pushed under, ``REGISTRY/NAME:TAG``.
        digest: The digest of its manifest, ``sha256:…``: ``REGISTRY/NAME@DIGEST`` is always this image.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class BuildResult:
    """The result of ``build``.

    Attributes:
        tag: The image's name.
        id: The engine's id, ``sha256:…``.
        size: Its size in bytes.
        model: The model in it.
        tags: All names that it has now, ``tag`` first.
        pushed: The registries that have it now.
        sbom: The file with its bill of materials, if one was asked for.
    """

    tag: str
    id: str
    size: int
    model: ImageModel
    tags: tuple[str, ...] = ()
    pushed: tuple[PushedImage, ...] = ()
    sbom: Path | None = None


def build(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    model: str | None = None,
    alias: str | None = None,
    version: int | None = None,
    tags: Sequence[str] = (),
    push: Sequence[str] = (),
    sbom: Path | None = None,
    platform: str | None = None,
) -> BuildResult:
    """Build an image of the API with a registered model and that model's locked requirements.

    Args:
        project: The project whose registry is used, and whose settings the server in the image has.
        reporter: Receives progress messages.
        model: The registered model; that of mlpipes.yaml, or the only one, if omitted.
        alias: The alias of the version; that of mlpipes.yaml if neither this nor ``version`` is given.
        version: The version's number.
        tags: The image's names; ``mlpipes-MODEL:VERSION`` if there are none. A name without a tag gets the
            version's number.
        push: Names under which it is pushed, ``REGISTRY/NAME:TAG``, one after the other; logins are those of
            Docker's own configuration.
        sbom: Write the bill of materials, a CycloneDX document, to this file too; the image has one inside.
        platform: Such as linux/arm64; the engine's own if omitted.

    Raises:
        UsageError: There is no such model, a name is malformed, or the file cannot be written there.
        Untrusted: The model is not signed.
        MlpipesError: The stack does not run, nothing was promoted, there is no engine, a step failed, or a
            registry did not take the image, which stays on the engine then.
    """
    _check_names("--tag", tags)
    _check_names("--push", push)
    if sbom is not None:
        output_files.check(sbom, _SBOM_MARK, "a CycloneDX document")
    endpoints = wiring.make_runtime(project).endpoints()
    vault = project_vault.of(project, endpoints)
    name, number, told, promoted_at = _chosen(project, vault.source, model, alias, version)
    private_files.folder(project.cache)
    with tempfile.TemporaryDirectory(prefix="build-", dir=project.cache) as scratch:
        folder = Path(scratch)
        reporter.detail(f"fetching version {number} of {name}")
        vault.fetch(name, number, folder)
        commit = vault.source.tags(name, number).get(mlflow_tags.GIT_COMMIT, "")
        inside = _look(folder, ImageModel(name, number, told, "", "", commit))
        environment = _environment(folder, name)
        names = [_named(tag, inside) for tag in tags] or [_named(None, inside)]
        targets = [_named(name, inside) for name in push]
        recipe = Recipe(
            tag=names[0],
            model=folder,
            python=inside.python if inside.python in _PYTHONS else _PYTHONS[0],
            environment=environment,
            settings=_settings(project, inside, promoted_at, digest(listed(folder))),
            labels=_labels(inside),
            platform=platform,
        )
        builder = wiring.make_image_builder()
        made = builder.build(recipe, reporter)
    if sbom is not None:
        output_files.write(sbom, made.sbom)
    for name in names[1:]:
        builder.name(made, name)
    pushed = tuple(PushedImage(name, builder.push(made, name, reporter)) for name in targets)
    if pushed:
        image = f"{pushed[-1].name.rpartition(':')[0]}@{pushed[-1].digest}"
        wiring.make_registry(endpoints).set_version_tag(inside.name, inside.version, mlflow_tags.IMAGE, image)
    every = tuple(dict.fromkeys([*names, *targets]))
    return BuildResult(made.tag, made.id, made.size, inside, every, pushed, sbom)


def _check_names(option: str, names: Sequence[str]) -> None:
    for name in names:
        if not _TAG.fullmatch(name):
            raise UsageError(
                f"{option}: {name!r} is not a valid image name",
                "use one such as registry.example/team/name:1",
            )


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
        "io.mlpipes.sbom": SBOM_FILE,
        **({"org.opencontainers.image.revision": model.commit} if model.commit else {}),
        **({"io.mlpipes.model.alias": model.alias} if model.alias else {}),
    }


def _settings(project: ProjectFolder, model: ImageModel, promoted_at: str | None, files: str) -> str:
    """Return the settings of the server in the image: ``serving`` of mlpipes.yaml, for this one model."""
    serving = project.config.serving
    alias = model.alias or f"version-{model.version}"
    place = Path(MODEL_FOLDER)
    told = settings_in_image(serving, model.name, model.version, alias, place, promoted_at, files)
    return json.dumps({**json.loads(told.to_json()), "workers": serving.workers})
