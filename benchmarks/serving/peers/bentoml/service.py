"""The model as a BentoML service, requests batched as BentoML batches them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bentoml

sys.path.insert(0, str(Path(__file__).parents[1]))
from model import Model


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Scoring:
    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, max_batch_size=100_000)
    def predict(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        labels, scores = self.model.predict(records)
        return [{"prediction": label, "score": score} for label, score in zip(labels, scores, strict=True)]
