"""Where an MLflow is another one, its own rules apply, and the log says so."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import protocol_models
import pytest
import serving_help

from mlpipes_cli.server.models.model_columns import ModelColumns
from mlpipes_cli.server.models.signature import describe
from mlpipes_cli.server.scoring_server import parsers, start


def test_our_application_takes_the_place_of_mlflows() -> None:
    words, known = start.command(
        "uvicorn --host 127.0.0.1 --port 5001 --workers 3 mlflow.pyfunc.scoring_server.app:app"
    )
    folder = ["--app-dir", str(start.FOLDER)]
    given = ["--host", "127.0.0.1", "--port", "5001", "--workers", "3", "mlpipes_scoring_app:app"]
    assert (words, known) == ([sys.executable, "-m", "uvicorn", *folder, *given], True)
    assert [file.name for file in start.FOLDER.iterdir() if file.is_file()] == ["mlpipes_scoring_app.py"]


@pytest.mark.parametrize(
    "given",
    [
        "gunicorn --timeout=60 -b 127.0.0.1:5001 -w 1 -- mlflow.pyfunc.scoring_server.wsgi:app",
        "uvicorn --port 5001 mlflow.pyfunc.scoring_server.other:app",
    ],
)
def test_a_command_that_is_not_known_stays_as_it_is(given: str) -> None:
    assert start.command(given) == (given.split(), False)


def test_mlflow_says_how_it_serves_or_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.pyfunc import scoring_server

    monkeypatch.setattr(os, "environ", {})
    own = start.mlflows_own("/a b", "127.0.0.1", 5001, 2)
    assert own == "uvicorn --host 127.0.0.1 --port 5001 --workers 2 mlflow.pyfunc.scoring_server.app:app"
    assert os.environ[scoring_server._SERVER_MODEL_PATH] == "file:///a%20b"
    monkeypatch.delattr(scoring_server, "get_cmd")
    words, known = start.command(start.mlflows_own("/a b", "127.0.0.1", 5001, 2))
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", "5001", "--workers", "2"]
    assert words == [sys.executable, "-m", "mlflow", "models", "serve", "-m", "/a b", *options]
    assert not known


def test_an_mlflow_without_a_function_is_named_and_reads_that_form_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = SimpleNamespace(parse_csv_input=pd.read_csv, infer_and_parse_data=lambda data, schema: None)
    parsers.install(serving_help.saved(tmp_path / "m"), server)
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("warning")]
    assert line == (
        "warning: this MLflow has no parse_parquet_input: values in Parquet are read by MLflow's own rules"
    )
    assert not hasattr(server, "parse_parquet_input")
    read = server.parse_csv_input(io.StringIO("amount,age,city,member,since\n1,2,NA,true,2020-01-01\n"))
    assert read["city"].tolist() == ["NA"]


def test_a_model_without_named_columns_is_read_by_mlflow(tmp_path: Path) -> None:
    server = SimpleNamespace(parse_csv_input=pd.read_csv)
    parsers.install(protocol_models.unsigned(tmp_path / "m"), server)
    assert server.parse_csv_input is pd.read_csv


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        ("csv", "," * 3000 + "\n", "1006 columns in one request"),
        ("csv", "amount,age,city,member,since\nmany,2,NA,true,2020-01-01\n", "got text in row 0"),
        ("parquet", b"PAR1", "the body is not a valid Parquet file"),
        (
            "json",
            {"dataframe_split": {"columns": ["amount"], "data": [[1], [1, 2]]}},
            "row 1: expected 1 values",
        ),
    ],
)
def test_what_does_not_fit_is_a_400_of_one_line(
    model: ModelColumns, form: str, content: Any, said: str
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    read = getattr(parsers.Readers(model, scoring_server.infer_and_parse_data), form)
    streams: dict[type, Any] = {str: io.StringIO, bytes: io.BytesIO, dict: dict}
    with pytest.raises(MlflowException) as told:
        read(streams[type(content)](content))
    assert told.value.get_http_status_code() == 400
    assert said in told.value.message
    assert "\n" not in told.value.message


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelColumns:
    return ModelColumns(describe(serving_help.saved(tmp_path_factory.mktemp("m") / "m")), fills=True)
