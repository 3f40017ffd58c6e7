"""The example of images: from `init` to a picture that a person uploads, and a check of those that came."""

from __future__ import annotations

import base64
import io

import httpx
import pytest
from browser_help import Page
from conftest import Cli
from environment_help import FOLDER, environment
from PIL import Image

pytestmark = pytest.mark.slow


def brighter(picture: bytes) -> bytes:
    """The picture with half of its contrast, as by another scanner."""
    image = Image.open(io.BytesIO(picture)).convert("L").point(lambda value: 128 + value // 2)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def predict(url: str, pictures: list[bytes]) -> None:
    rows = [{"image": base64.b64encode(one).decode()} for one in pictures]
    answer = httpx.post(f"{url}/predict", json=rows, trust_env=False, timeout=120)
    assert answer.status_code == 200, answer.text


def test_a_network_learns_characters_and_is_asked_on_the_page(
    page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("captcha")
    cli = Cli(base / "home", base)
    cli.environment["MLPIPES_CACHE"] = str(FOLDER.parent)
    cli("init", "project", "--example", "captcha").ok()
    root = cli.cwd = base / "project"
    file, settings = root / "experiment.yaml", root / "mlpipes.yaml"
    file.write_text(file.read_text().replace("epochs: 25", "epochs: 4"))
    settings.write_text(settings.read_text().replace("min: 0.7", "min: 0.01"))
    with environment("keras"):  # is there when `train` wants it
        cli("up", "--runtime", "embedded").ok()
        try:
            (run,) = cli("train", "experiment.yaml", "--only", "cnn", "--json").ok().json["runs"]
            assert run["metrics"]["f1_macro"] > 1 / 12  # of a guess
            cli("promote", "--metric", "f1_macro").ok()
            url = cli("serve", "--detach", "--json", timeout=600).ok().json["url"]
            picture = root / "data" / "try_me.png"
            image = base64.b64encode(picture.read_bytes()).decode()
            told = httpx.post(f"{url}/predict", json={"image": image}, trust_env=False, timeout=60).json()
            page.open(url)
            page.fill("image", str(picture))
            assert page.predict() == told["predictions"][0]
            assert page.problems() == []
            scored = cli("predict", root / "data" / "new_rows.json", "--offline", "--json").ok().json
            assert scored["rows"] == 12
            stored = cli("predictions", "list", "--json").ok().json
            assert len(stored) == 2 or len(stored["predictions"]) == 2

            files = sorted((root / "data" / "characters").rglob("*.png"))[::3]
            assert len(files) >= 60
            plain = [path.read_bytes() for path in files]
            predict(url, plain)
            unchanged = cli("monitor", "--rows", str(len(plain)), "--json").ok().json
            assert (unchanged["rows"], unchanged["alarm"]) == (len(plain), False)
            predict(url, [brighter(one) for one in plain])
            done = cli("monitor", "--rows", str(len(plain)), "--json")
            changed = done.json["columns"][0]
            assert (done.code, done.json["alarm"]) == (3, True)
            assert (changed["name"], changed["kind"], changed["alarm"]) == ("image", "image", True)
        finally:
            cli("down", "--volumes", "--yes").ok()
