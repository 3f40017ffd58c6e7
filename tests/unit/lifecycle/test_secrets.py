from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.secrets import ensure_secrets, has_model_key, model_key, names, read_secrets
from mlpipes_cli.signing import keys


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path)
    path = tmp_path / ".env"
    assert sorted(made) == sorted(names())
    assert len(set(made.values())) == len(names())
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_secrets(tmp_path) == made == read_secrets(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [".env"]


def test_what_is_there_is_kept_and_only_the_missing_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nexport KEY='a b'\nPOSTGRES_PASSWORD=\"kept\"\nMLFLOW_DB_PASSWORD=")
    made = ensure_secrets(tmp_path)
    assert made["POSTGRES_PASSWORD"] == "kept"
    assert made["MLFLOW_DB_PASSWORD"]
    assert path.read_text().startswith(
        "# mine\nexport KEY='a b'\nPOSTGRES_PASSWORD=\"kept\"\nMLFLOW_DB_PASSWORD=\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_secrets(tmp_path) == made


def test_several_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ensure_secrets, [tmp_path] * 16))
    assert all(one == made[0] for one in made)
    assert len((tmp_path / ".env").read_text().splitlines()) == len(names())


def test_a_file_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MlpipesError, match="cannot be read"):
        ensure_secrets(tmp_path)


def test_the_environments_key_comes_first_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(keys.NAME, raising=False)
    assert not has_model_key(tmp_path)
    given = "a-key-of-a-container-0123456789abcdef"
    monkeypatch.setenv(keys.NAME, given)
    assert has_model_key(tmp_path)
    assert model_key(tmp_path).secret == given.encode()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(keys.NAME, "short")
    with pytest.raises(MlpipesError, match=r"the environment: MLPIPES_MODEL_KEY.* has 5 characters"):
        model_key(tmp_path)
