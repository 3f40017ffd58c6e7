"""The locks of our own images: complete, hashed, and in the very versions of the package's lock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WANTED = sorted(ROOT.glob("compose/*/requirements.in"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\\s]+)", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text(encoding="utf-8")))


def test_there_are_three_such_images() -> None:
    assert [path.parent.name for path in WANTED] == ["api", "jupyter", "mlflow"]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda path: path.parent.name)
def test_the_lock_names_what_is_wanted(wanted: Path) -> None:
    lines = wanted.read_text(encoding="utf-8").splitlines()
    names = {line.split("[")[0] for line in lines if not line.startswith("#")}
    assert names <= set(pins(wanted.with_suffix(".lock")))


def test_what_is_left_out_is_in_no_lock_and_what_two_images_have_is_in_the_common_one() -> None:
    locks = {path.parent.name: pins(path.with_suffix(".lock")) for path in WANTED}
    (first,) = re.findall(r"^# without: (.*)\n", (ROOT / "compose/mlflow/requirements.in").read_text())
    assert not set(first.split()) & locks["mlflow"].keys()
    common = (ROOT / "compose" / "common.lock").read_text(encoding="utf-8")
    both = locks["mlflow"].items() & locks["api"].items()
    assert dict(PIN.findall(common)) == {name: pin for name, pin in both if name != "mlflow-skinny"}
    for name in ("mlflow", "api"):
        lock = (ROOT / "compose" / name / "requirements.lock").read_text(encoding="utf-8")
        assert set(common.splitlines()) <= set(lock.splitlines())


def test_images_that_share_layers_begin_with_the_same_words() -> None:
    """An engine has a layer once where what it is made of, and all below it, is the same to the letter."""
    texts = {
        name: (ROOT / "compose" / name).read_text(encoding="utf-8").partition("\nENV PYTHON")[2]
        for name in ("api/Dockerfile", "api/environment.Dockerfile", "mlflow/Dockerfile")
    }
    first, _, rest = texts["api/Dockerfile"].partition("COPY compose/api/requirements.lock")
    assert "common.lock" in first and "compileall" in first
    assert all(text.startswith(first) for text in texts.values())
    packages = rest.partition("RUN useradd")[0]
    assert texts["api/environment.Dockerfile"].startswith(
        f"{first}COPY compose/api/requirements.lock{packages}"
    )


@pytest.mark.parametrize("wanted", WANTED, ids=lambda path: path.parent.name)
def test_versions_are_those_of_the_client(wanted: Path) -> None:
    own = pins(ROOT / "requirements.lock")
    image = pins(wanted.with_suffix(".lock"))
    assert {name: version for name, version in image.items() if own.get(name, version) != version} == {}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    version = image.get("mlflow") or image["mlflow-skinny"]
    assert [one for one in declared if re.fullmatch(rf"mlflow(\[\w+\])?=={version}", one)]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda path: path.parent.name)
def test_every_package_has_hashes_and_no_address(wanted: Path) -> None:
    text = wanted.with_suffix(".lock").read_text(encoding="utf-8")
    assert len(re.findall(r"^\S+==.* \\\n    --hash=sha256:", text, re.MULTILINE)) == len(
        pins(wanted.with_suffix(".lock"))
    )
    assert "://" not in text
