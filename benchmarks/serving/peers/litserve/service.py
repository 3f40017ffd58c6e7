"""The model as a LitServe API, requests batched as LitServe batches them."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import litserve

sys.path.insert(0, str(Path(__file__).parents[1]))
from model import Model

Records = list[dict[str, Any]]


class Scoring(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model()

    def decode_request(self, request) -> Records:  # without a type, else FastAPI reads it
        return request["records"]

    def batch(self, inputs: list[Records]) -> tuple[list[int], Records]:
        return [len(one) for one in inputs], [record for one in inputs for record in one]

    def predict(self, batch: tuple[list[int], Records]) -> tuple[list[int], list[Any], list[float]]:
        sizes, records = batch
        return sizes, *self.model.predict(records)

    def unbatch(
        self, output: tuple[list[int], list[Any], list[float]]
    ) -> list[tuple[list[Any], list[float]]]:
        sizes, labels, scores = output
        ends = itertools.accumulate(sizes)
        return [
            (labels[end - size : end], scores[end - size : end])
            for size, end in zip(sizes, ends, strict=True)
        ]

    def encode_response(self, output: tuple[list[Any], list[float]]) -> dict[str, Any]:
        labels, scores = output
        return {"predictions": labels, "scores": scores}


if __name__ == "__main__":
    server = litserve.LitServer(
        Scoring(max_batch_size=64, batch_timeout=0.001), accelerator="cpu", workers_per_device=1
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
