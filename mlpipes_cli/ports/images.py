"""Images that hold a model and the server that answers with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlpipes_cli.ports.environments import EnvironmentSpec
from mlpipes_cli.ports.reporter import Reporter


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    Attributes:
        tag: The name that it gets, ``name:tag``.
        model: A local MLflow model folder, with its ``requirements.txt``.
        python: The API's version of Python: that which trained the model, unless that has its own: ``3.11``.
        settings: What the server is told, as JSON without secrets; the model is at ``MODEL_FOLDER``.
        labels: What the image says of itself.
        platform: Such as linux/arm64; None is the engine's own.
        environment: The model's own environment, beside the API's: Python and exact pins; None for a model
            whose requirements the API's environment gets.
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
    """An image that an engine has.

    Attributes:
        tag: Its name.
        id: The engine's, ``sha256:…``.
        size: Bytes of all its layers.
    """

    tag: str
    id: str
    size: int


MODEL_FOLDER = "/opt/mlpipes/model"


class ImageBuilder(Protocol):
    """Makes images."""

    def build(self, recipe: Recipe, reporter: Reporter) -> BuiltImage:
        """Make the image; its name moves only when it is whole.

        Raises:
            MlpipesError: There is no engine, no such Python, or a step failed: its last lines.
        """
