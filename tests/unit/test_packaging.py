"""What the built distributions hold, and that the wheel works where there is no checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's tracked and new files with secrets lying about, built."""
    base = tmp_path_factory.mktemp("build")
    source = base / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    if listed.returncode:  # not a Git checkout, an unpacked sdist
        skipped = {".git", ".venv", ".cache"}
        names = [
            str(p.relative_to(ROOT))
            for p in ROOT.rglob("*")
            if p.is_file() and not skipped & set(p.relative_to(ROOT).parts)
        ]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    for place in (".env", "compose/.env", "templates/.env", "mlpipes_cli/.env"):
        (source / place).parent.mkdir(exist_ok=True)
        (source / place).write_text("POSTGRES_PASSWORD=do-not-ship\n")
    (source / ".mlpipes").mkdir()
    (source / ".mlpipes" / "state.json").write_text("{}")
    for backend in ("build_sdist", "build_wheel"):
        code = f"import sys; from hatchling.build import {backend} as build; build(sys.argv[1])"
        command = [sys.executable, "-c", code, str(base / "dist")]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    return base / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sdist_names(built: Path) -> set[str]:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}


def test_wheel_brings_what_the_commands_need(wheel: Path) -> None:
    names = wheel_names(wheel)
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mlpipes_cli").rglob("*.py")
        if "_bundled" not in path.parts
    }
    assert package <= names
    schemas = {"mlpipes_cli/schemas/mlpipes.json", "mlpipes_cli/schemas/experiment.json"}
    sql = {str(path.relative_to(ROOT)) for path in (ROOT / "mlpipes_cli").rglob("*.sql")}
    page = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mlpipes_cli/server/page").iterdir()
        if path.suffix in {".html", ".css", ".js", ".svg"}
    }
    assert len(page) >= 9
    trainers = {
        str(path.relative_to(ROOT))
        for kind in ("*.in", "*/environment.*", "*/guide.md")
        for path in (ROOT / "mlpipes_cli/trainers").glob(kind)
    }
    assert len(trainers) >= 17
    bundled = {
        f"mlpipes_cli/_bundled/{path.relative_to(ROOT)}"
        for folder in ("compose", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".env"
    }
    assert any("templates/breast-cancer" in name for name in bundled)
    assert schemas | sql | page | trainers | bundled | {"mlpipes_cli/_bundled/mlpipes.yaml.example"} <= names


def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    tops = {name.split("/", 1)[0] for name in wheel_names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mlpipes_cli"}


def test_sdist_can_be_built_and_tested_from(built: Path) -> None:
    needed = {"pyproject.toml", "requirements.lock", "Makefile", "LICENSE", "README.md", "tests/conftest.py"}
    assert needed <= sdist_names(built)


def test_no_secret_is_shipped(built: Path, wheel: Path) -> None:
    for names in (wheel_names(wheel), sdist_names(built)):
        assert not [name for name in names if name.endswith(".env") or ".mlpipes/" in name]


def test_installed_wheel_makes_a_project(wheel: Path, tmp_path: Path) -> None:
    """Installed without its requirements (they are those of this environment, seen through a path file)."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = next(environment.glob("lib/python*/site-packages"))
    uv = Path(sys.executable).with_name("uv")
    python = environment / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel], check=True
    )
    here = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site / "requirements.pth").write_text(f"{here}\n")
    where = [python, "-c", "import mlpipes_cli; print(mlpipes_cli.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert found.startswith(str(environment))
    subprocess.run(
        [environment / "bin" / "mlpipes", "init", "made"], check=True, cwd=tmp_path, capture_output=True
    )
    assert (tmp_path / "made" / "mlpipes.yaml").is_file()
    assert (tmp_path / "made" / "experiment.yaml").is_file()
