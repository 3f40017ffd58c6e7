"""What the FastAPI applications take and answer: pydantic models of the model's own signature."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, create_model

TYPES: dict[str, Any] = {"long": int, "integer": int, "boolean": bool, "string": str, "datetime": str}


def columns() -> list[dict[str, Any]]:
    """The inputs that the logged model's signature names."""
    settings = yaml.safe_load((Path(os.environ["BENCH_MODEL"]) / "MLmodel").read_text())
    return json.loads(settings["signature"]["inputs"])


Record: Any = create_model(
    "Record", **{one["name"]: (TYPES.get(one["type"], float), ...) for one in columns()}
)


class Question(BaseModel):
    records: list[Record]


class Answer(BaseModel):
    predictions: list[int | float | str | bool]
    scores: list[float]
