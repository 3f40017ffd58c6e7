"""What a model needs and is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.models import loader, requirements

COMPOSE = Path(__file__).parents[4] / "compose"


def test_names_what_is_not_installed(tmp_path: Path) -> None:
    lines = [
        "pandas==1.0",
        "no-such-thing==2.5 ; python_version > '3'",
        "-c constraints.txt",
        "# word",
        "Other_One",
    ]
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    assert requirements.missing(tmp_path) == ["no-such-thing==2.5", "Other_One"]


def test_a_model_that_does_not_say(tmp_path: Path) -> None:
    assert requirements.missing(tmp_path) == []


def test_a_server_without_the_whole_of_mlflow_does_not_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_pandas(name: str) -> bool:
        return name == "pandas"

    monkeypatch.setattr(requirements, "_installed", only_pandas)
    (tmp_path / "requirements.txt").write_text("mlflow==3\nflask==1\npandas==3\nxgboost==2\n")
    assert requirements.missing(tmp_path) == ["xgboost==2"]


def names(lock: str) -> set[str]:
    """The packages of a lock file."""
    lines = (COMPOSE / lock).read_text().splitlines()
    return {Requirement(line.rstrip("\\ ")).name for line in lines if "==" in line}


def test_what_is_passed_over_is_what_only_the_whole_of_mlflow_needs() -> None:
    own = {"flask-wtf", "wtforms", "boto3", "botocore", "s3transfer", "jmespath", "pywin32", "waitress"}
    beside = names("mlflow/requirements.lock") - names("api/requirements.lock") - own
    assert beside <= requirements.BESIDE_MLFLOW


def test_the_error_names_them_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: no_such_thing.mlflow\n    python_version: 3.11.2\n"
        "model_uuid: x\nutc_time_created: '2026-01-01'\n"
    )
    (tmp_path / "requirements.txt").write_text("no-such-thing==2.5\n")
    with pytest.raises(MlpipesError) as caught:
        loader.load(tmp_path, "fraud", 3, "production")
    (line,) = caught.value.lines()
    assert "version 3 of model 'fraud' needs packages that are not installed here: no-such-thing==2.5" in line
    assert "`mlpipes build`" in line
