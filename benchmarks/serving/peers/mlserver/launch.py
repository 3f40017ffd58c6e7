"""MLServer with its scikit-learn runtime on the logged pipeline, adaptive batching on.

Open Inference Protocol V2 with the `pd` content type: a tensor a column, as its documentation has it for
pipelines that want a DataFrame. Inference runs in the server's own process (`parallel_workers: 0`): for
gradient boosting that was faster than one worker process, its default, in single runs on a busy machine.
Batches wait half a millisecond for company, a value that was not compared with others: a wait of 0 turns its
batching off.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.base import HOST, Answers, Launch, Peer, Record, Route, Target, free_port

TYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    settings = {
        "host": HOST,
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "metrics_dir": str(scratch),
        "debug": False,
        "parallel_workers": 0,
    }
    model = {
        "name": target.name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 64,
        "max_batch_time": 0.0005,
        "parameters": {"uri": str(target.folder / "model.pkl")},
    }
    (scratch / "settings.json").write_text(json.dumps(settings))
    (scratch / "model-settings.json").write_text(json.dumps(model))
    return Launch([str(bin / "mlserver"), "start", str(scratch)], {}, scratch)


def body(records: Sequence[Record]) -> Any:
    tensors = [
        {
            "name": name,
            "shape": [len(records), 1],
            "datatype": TYPES[type(value)],
            "data": [record[name] for record in records],
        }
        for name, value in records[0].items()
    ]
    return {"parameters": {"content_type": "pd"}, "inputs": tensors}


def read(answer: Any) -> Answers:
    return Answers(answer["outputs"][0]["data"])


PEER = Peer(
    name="mlserver",
    routes=(Route("infer", "/v2/models/{model}/infer", body, read, scores=False),),
    launch=launch,
    folder=Path(__file__).parent,
)
