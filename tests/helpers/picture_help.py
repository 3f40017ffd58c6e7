"""A model of pictures that needs no framework, and pictures that unpack to far more than their size."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ["dark", "light"]


def saved(path: Path) -> Path:
    """A network's classifier of the column ``image`` as training saves it: the mean brightness decides."""
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from mlpipes_cli.mlflow_tags import MODEL_METADATA
    from mlpipes_cli.trainers.models.network import Classifier, Reader
    from mlpipes_cli.trainers.models.pictures import Pictures

    model = Classifier(Reader(None, [], {"image": Pictures(8, 8, 3)}), brightness, CLASSES, logits=False)
    mlflow.sklearn.save_model(
        model,
        str(path),
        serialization_format="cloudpickle",
        signature=ModelSignature(
            Schema([ColSpec(DataType.binary, "image")]), Schema([ColSpec(DataType.string)])
        ),
        pip_requirements=["scikit-learn"],
        metadata={MODEL_METADATA: _notes(path.with_name("pets"))},
    )
    return path


def _notes(folder: Path) -> dict[str, Any]:
    """What training notes of a model of pictures in folders of their labels."""
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.config.yaml_source import parse_yaml
    from mlpipes_cli.data.origins.sources import read
    from mlpipes_cli.data.prepare import prepare
    from mlpipes_cli.worker.saving import metadata

    for number in range(40):
        place = folder / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(png(100 * (number % 2) + number))
    data = Data.model_validate({"source": folder.name, "target": "kind", "id": "file"})
    yaml = parse_yaml("data:\n", "e.yaml")
    frame = read(data, folder.parent, yaml, database_url=None, environ={}).frame
    return metadata(prepare(frame, data, yaml))


def brightness(parts: Any) -> Any:
    """Return (n, 1) the mean of all pixels, from 0 to 1."""
    return parts["image"].astype("float32").mean(axis=(1, 2, 3)).reshape(-1, 1) / 255


def png(shade: int, size: int = 4) -> bytes:
    """A grey square."""
    body = io.BytesIO()
    Image.fromarray(np.full((size, size), shade, dtype=np.uint8)).save(body, "PNG")
    return body.getvalue()


def bomb(side: int, depth: int = 1, colour: int = 0, samples: int = 1) -> bytes:
    """A square PNG of zeros: one bit a pixel, unless other numbers of PNG's header are given."""
    packer, row = zlib.compressobj(9), bytes((side * depth * samples + 7) // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), _chunk(b"IDAT", rows), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
