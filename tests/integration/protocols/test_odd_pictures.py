"""Pictures through every door: small ones are answered, bombs are refused before they are decoded.

Sources: Pillow#515 (PNG files of kilobytes that unpack to gigabytes), Pillow#6402, mlflow#11170 (Base64 that
one door decodes and another does not), kserve#2524 and OpenVINO's model_server#1762 (pictures as raw bytes),
MLServer#438 (Base64 in the Open Inference Protocol).
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import picture_help
import protocol_help
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import serving_help

pytestmark = pytest.mark.slow
V2 = "/v2/models/pictures/infer"
LIGHT, DARK = picture_help.png(200), picture_help.png(20)
EXPECTED = "column 'image': expected a picture (PNG, JPEG, GIF, BMP or WebP), got "


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from mlpipes_cli.server.models.loader import load

    folder = picture_help.saved(tmp_path_factory.mktemp("pictures") / "model")
    return load(folder, "pictures", 1, "production")


@pytest.fixture(scope="module")
def api(served: Any) -> Iterator[httpx.Client]:
    app = serving_help.application(serving_help.Kept(), served)
    with contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{stack.enter_context(protocol_help.live(app))}"
        yield stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=120))


def text(content: Any) -> Any:
    return base64.b64encode(content).decode() if isinstance(content, bytes) else content


def post(api: httpx.Client, path: str, body: Any, kind: str = "application/json", **more: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"content-type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
    return api.post(path, content=content, headers=headers)


def tensors(api: httpx.Client, pictures: list[Any]) -> Any:
    told = {"name": "image", "datatype": "BYTES", "shape": [len(pictures)], "data": [*map(text, pictures)]}
    return post(api, V2, {"inputs": [{**told, "parameters": {"content_type": "base64"}}]})


def raw_tensors(api: httpx.Client, pictures: list[bytes]) -> Any:
    body = b"".join(struct.pack("<I", len(one)) + one for one in pictures)
    told = {"name": "image", "datatype": "BYTES", "shape": [len(pictures)]}
    head = json.dumps({"inputs": [{**told, "parameters": {"binary_data_size": len(body)}}]}).encode()
    length = {"inference_header_content_length": str(len(head))}
    return post(api, V2, head + body, "application/octet-stream", **length)


def parquet(api: httpx.Client, pictures: list[bytes]) -> Any:
    into = io.BytesIO()
    pq.write_table(pa.table({"image": pa.array(pictures, pa.binary())}), into)
    return post(api, "/invocations", into.getvalue(), "application/vnd.apache.parquet")


def csv(api: httpx.Client, pictures: list[Any]) -> Any:
    lines = ["image", *(f'"{text(one)}"' for one in pictures)]
    return post(api, "/invocations", "\n".join(lines).encode(), "text/csv")


DOORS: dict[str, Callable[[httpx.Client, list[Any]], Any]] = {
    "/predict": lambda api, some: post(api, "/predict", [{"image": text(one)} for one in some]),
    "split": lambda api, some: post(
        api, "/invocations", {"dataframe_split": {"columns": ["image"], "data": [[text(o)] for o in some]}}
    ),
    "inputs": lambda api, some: post(api, "/invocations", {"inputs": {"image": [text(o) for o in some]}}),
    "csv": csv,
    "parquet": parquet,
    "V2": tensors,
    "V2 with raw bytes": raw_tensors,
}
RAW = ("parquet", "V2 with raw bytes")


def said(response: httpx.Response) -> Any:
    told = response.json()
    if response.status_code != 200:
        return response.status_code, told.get("message") or told["error"]
    outputs = {one["name"]: one["data"] for one in told.get("outputs", ())}
    return outputs["predict"] if outputs else told["predictions"]


def test_the_page_knows_a_column_of_pictures(api: httpx.Client) -> None:
    (column,) = api.get("/page/model").json()["columns"]
    assert (column["name"], column["type"], column["image"]) == ("image", "binary", True)


@pytest.mark.parametrize("door", DOORS)
def test_pictures_are_answered_alike(api: httpx.Client, door: str) -> None:
    assert said(DOORS[door](api, [LIGHT, DARK, LIGHT])) == ["light", "dark", "light"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("content", "got"),
    [
        (picture_help.bomb(13_000), "one with 13000 x 13000 pixels, more than 67,108,864 in row 1"),
        (picture_help.bomb(60_000), "one with more than 67,108,864 pixels in row 1"),
        (b"no picture", "other bytes in row 1"),
        (picture_help.png(9, 300)[:200], "a damaged one (image file is truncated) in row 1"),
    ],
    ids=["Pillow#515 a bomb", "Pillow#6402 beyond Pillow's limit", "other bytes", "damaged"],
)
def test_a_wrong_picture_is_named_by_its_column_and_row(
    api: httpx.Client, door: str, content: bytes, got: str
) -> None:
    assert len(content) < 600_000
    assert said(DOORS[door](api, [LIGHT, content])) == (400, EXPECTED + got)


@pytest.mark.parametrize("door", [door for door in DOORS if door not in RAW])
def test_text_that_is_no_base64(api: httpx.Client, door: str) -> None:
    assert said(DOORS[door](api, [LIGHT, "hello"])) == (400, f"{EXPECTED}text that is not Base64 in row 1")
    url = f"data:image/png;base64,{text(DARK)}"
    assert said(DOORS[door](api, [LIGHT, url])) == ["light", "dark"]


@pytest.mark.parametrize("door", ["/predict", "split", "inputs", "parquet", "V2"])
def test_a_picture_that_is_missing(api: httpx.Client, door: str) -> None:
    assert said(DOORS[door](api, [LIGHT, None])) == (400, f"{EXPECTED}a missing value in row 1")


@pytest.mark.parametrize("door", ["/predict", "V2 with raw bytes"])
def test_many_pictures_just_below_the_limit_are_too_many_together(api: httpx.Client, door: str) -> None:
    status, why = said(DOORS[door](api, [picture_help.bomb(8190)] * 5))
    assert status == 413 and "more than 268,435,456 pixels together; split them" in why


def test_predict_offline_names_the_row(served: Any) -> None:
    import pandas as pd

    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle.prediction.scorers import _Offline

    scorer = _Offline(served)
    rows = pd.DataFrame({"image": [text(LIGHT), DARK]}, dtype=object)
    assert scorer.score(rows, 0)["prediction"].tolist() == ["light", "dark"]
    rows.loc[1, "image"] = text(picture_help.bomb(13_000))
    with pytest.raises(UsageError, match=r"^rows 501 to 502: column 'image': expected .* in row 1$"):
        scorer.score(rows, 500)
