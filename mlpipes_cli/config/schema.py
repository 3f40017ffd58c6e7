"""JSON Schemas of the files that users write, for editors and for CI."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.pipeline.config import PipelineConfig
from mlpipes_cli.config.project import ProjectConfig

MODELS: dict[str, type[BaseModel]] = {
    "mlpipes": ProjectConfig,
    "experiment": ExperimentConfig,
    "dataset": DatasetConfig,
    "pipeline": PipelineConfig,
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``mlpipes``, ``experiment``, ``dataset`` or ``pipeline``.

    Raises:
        KeyError: There is no such file.
    """
    body = MODELS[name].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def schema_text(name: str) -> str:
    """Return the schema as it is in the package: indented, sorted, with a newline at the end."""
    return json.dumps(schema(name), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
