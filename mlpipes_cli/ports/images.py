"""Docker images that contain a model and its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlpipes_cli.ports.environments import EnvironmentSpec
from mlpipes_cli.ports.reporter import Reporter


@dataclass(frozen=True)
class Recipe:
    """The inputs of an image.

    Attributes:
        tag: The image's name, ``name:tag``.
        model: A local MLflow model folder with a ``requirements.txt``.
        python: The API's Python version: that of the training, unless the model has its own environment:
            ``3.11``.
        settings: The server's settings as JSON without secrets; the model is at ``MODEL_FOLDER``.
        labels: The image's labels.
        platform: For example linux/arm64; None is the engine's own.
        environment: The model's own environment in addition to the API's: Python and exact pins; None if the
            API's environment gets the model's requirements.
    """

    tag: str
    model: Path
    python: str
    settings: str
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    environment: EnvironmentSpec | None = None


@dataclass(frozen=True)
class BuiltImage:
    """An image on an engine.

    Attributes:
        tag: Its name.
        id: The engine's id, ``sha256:…``.
        size: Bytes of all its layers.
        sbom: Its bill of materials, a CycloneDX document in JSON; the image has it as ``SBOM_FILE``.
    """

    tag: str
    id: str
    size: int
    sbom: str


MODEL_FOLDER = "/opt/mlpipes/model"
SBOM_FILE = "/opt/mlpipes/sbom.cdx.json"


class ImageBuilder(Protocol):
    """Builds images."""

    def build(self, recipe: Recipe, reporter: Reporter) -> BuiltImage:
        """Build the image; its name is assigned only when the image is complete.

        Raises:
            MlpipesError: There is no engine or no such Python, or a step failed; the message has its last
                lines.
        """

    def name(self, image: BuiltImage, name: str) -> None:
        """Give an image a further name, ``name:tag``; another image of that name loses it.

        Raises:
            MlpipesError: There is no engine, or it does not have the image.
        """

    def push(self, image: BuiltImage, name: str, reporter: Reporter) -> str:
        """Name an image and push it under that name; return the digest of its manifest, ``sha256:…``.

        The credentials are those of Docker's own configuration.

        Raises:
            MlpipesError: There is no engine, or the registry did not take the image.
        """
