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
    names = {line.split("[")[0] for line in wanted.read_text(encoding="utf-8").split()}
    assert names <= set(pins(wanted.with_suffix(".lock")))


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
