"""How the server of an image takes its settings from the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.lifecycle.serving import api, image_entry

URL = "postgresql://mlpipes:a-secret@postgres:5432/mlpipes"
BAKED = {"model": "fraud", "alias": "production", "version": 3, "folder": "/opt/mlpipes/model", "workers": 2}


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What the server was told, which is not started here; its image has a model inside."""
    told: list[Any] = []

    def listen(*arguments: Any) -> int:
        told.extend(arguments)
        return 0

    monkeypatch.setattr(api, "listen", listen)
    (tmp_path / "settings.json").write_text(json.dumps(BAKED))
    monkeypatch.setattr(image_entry, "BAKED", tmp_path / "settings.json")
    for name in ("MLPIPES_SERVER_SETTINGS", "PORT", "WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLPIPES_DATABASE_URL", URL)
    monkeypatch.setenv("MLPIPES_STATE", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return told


def test_the_images_own_settings(listening: list[Any]) -> None:
    assert image_entry.main() == 0
    settings, host, port, workers, _ = listening
    assert (settings.model, settings.version, settings.folder) == ("fraud", 3, "/opt/mlpipes/model")
    assert (host, port, workers) == ("0.0.0.0", 8000, 2)


def test_the_environment_replaces_single_ones(listening: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPIPES_SERVER_SETTINGS", '{"access_log": "all", "cors": ["*"]}')
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("WORKERS", "3")
    assert image_entry.main() == 0
    settings, _, port, workers, _ = listening
    assert (settings.model, settings.access_log, settings.cors) == ("fraud", "all", ("*",))
    assert (port, workers) == (9000, 3)


def test_what_a_killed_one_left_is_removed(listening: list[Any], tmp_path: Path) -> None:
    left = tmp_path / "mlpipes-scratch-old" / "mlpipes-model-x"
    left.mkdir(parents=True)
    assert image_entry.main() == 0
    assert not left.exists()
    first = listening[4].parent
    assert image_entry.main() == 0  # another one beside the first, on the same volume
    assert first.is_dir()
    assert listening[-1].parent not in (first, None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MLPIPES_DATABASE_URL", "", "MLPIPES_DATABASE_URL is not set"),
        (
            "MLPIPES_DATABASE_URL",
            "mysql://u:a-secret@h/d",
            "MLPIPES_DATABASE_URL is not a valid PostgreSQL",
        ),
        ("PORT", "x", "PORT: 'x' is not a number from 1 to 65535"),
        ("WORKERS", "0", "WORKERS: '0' is not a number from 1 to 64"),
        ("MLPIPES_SERVER_SETTINGS", "{", "MLPIPES_SERVER_SETTINGS is not a valid JSON object"),
        ("MLPIPES_SERVER_SETTINGS", "[1]", "MLPIPES_SERVER_SETTINGS is not a valid JSON object"),
        ("MLPIPES_SERVER_SETTINGS", '{"acces_log": 1}', "there is no setting 'acces_log'"),
    ],
)
def test_mistakes_are_one_line_without_secrets(
    listening: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, value: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    assert image_entry.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert "a-secret" not in line
    assert listening == []


def test_passwords_may_be_in_files(
    listening: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "url"
    monkeypatch.setenv("MLPIPES_DATABASE_URL_FILE", str(file))
    assert image_entry.main() == 2
    assert "both MLPIPES_DATABASE_URL and MLPIPES_DATABASE_URL_FILE are set" in capsys.readouterr().err

    monkeypatch.delenv("MLPIPES_DATABASE_URL")
    monkeypatch.setenv("MLPIPES_DATABASE_URL_FILE", str(file))
    assert image_entry.main() == 2
    assert f"MLPIPES_DATABASE_URL_FILE: {file} cannot be read (No such file" in capsys.readouterr().err
    assert listening == []

    file.write_text("postgresql://from-a-file@h/d\n")
    monkeypatch.setenv("MLPIPES_DATABASE_URL_FILE", str(file))
    assert image_entry.main() == 0
    assert os.environ["MLPIPES_DATABASE_URL"] == "postgresql://from-a-file@h/d"  # which workers inherit
    assert "MLPIPES_DATABASE_URL_FILE" not in os.environ
    assert listening[0].model == "fraud"


@pytest.mark.usefixtures("listening")
def test_without_a_model_it_wants_a_registry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(image_entry, "BAKED", tmp_path / "none.json")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert image_entry.main() == 2
    assert "MLFLOW_TRACKING_URI is not set" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("MLPIPES_SERVING", '{"workers": 1000}')
    assert image_entry.main() == 2
    assert "MLPIPES_SERVING: workers: " in capsys.readouterr().err


def test_other_arguments_are_refused(listening: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert image_entry.main(["migrat"]) == 2
    assert capsys.readouterr().err == "error: unknown arguments: migrat; give none, or `migrate`\n"
    assert listening == []
