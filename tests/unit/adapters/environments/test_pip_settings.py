"""uv is told what pip would be told."""

from __future__ import annotations

from pathlib import Path

from mlpipes_cli.adapters.environments.pip_settings import pip_files, uv_environment


def test_variables_of_pip_become_those_of_uv(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    given = {
        "PIP_INDEX_URL": "https://index.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://one.example/simple https://two.example/simple",
        "PIP_FIND_LINKS": "/wheels /more",
        "PIP_CERT": str(bundle),
        "PIP_TRUSTED_HOST": "index.example",
    }
    made = uv_environment(given, files=[])
    assert made["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert made["UV_EXTRA_INDEX_URL"] == "https://one.example/simple https://two.example/simple"
    assert made["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert made["UV_FIND_LINKS"] == "/wheels,/more"
    assert made["SSL_CERT_FILE"] == str(bundle)
    assert made["UV_INSECURE_HOST"] == "index.example"


def test_files_of_pip_count_the_later_more_and_variables_most(tmp_path: Path) -> None:
    first, second = tmp_path / "first.conf", tmp_path / "second.conf"
    first.write_text(
        "[global]\nindex-url = https://a.example\nfind-links = /a\n    /b\n[install]\nno-index = yes\n"
    )
    second.write_text("[global]\nindex_url = https://b.example\n")
    made = uv_environment({"PIP_FIND_LINKS": "/c"}, files=[first, second, tmp_path / "none.conf"])
    assert made["UV_DEFAULT_INDEX"] == "https://b.example"
    assert (made["UV_FIND_LINKS"], made["UV_NO_INDEX"]) == ("/c", "1")
    assert uv_environment({}, files=[first])["UV_FIND_LINKS"] == "/a,/b"


def test_what_uv_is_told_itself_stays_and_our_own_environment_is_left_out() -> None:
    given = {
        "UV_DEFAULT_INDEX": "https://uv.example",
        "PIP_INDEX_URL": "https://pip.example",
        "PYTHONPATH": "/x",
    }
    made = uv_environment(given | {"VIRTUAL_ENV": "/venv", "UV_CONSTRAINT": "c.txt"}, files=[])
    assert made["UV_DEFAULT_INDEX"] == "https://uv.example"
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "UV_CONSTRAINT"} & set(made)


def test_pips_own_file_comes_last_and_can_switch_all_off(tmp_path: Path) -> None:
    named = pip_files({"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/own.conf"})
    assert named[-1] == Path("/own.conf")
    assert tmp_path / ".config" / "pip" / "pip.conf" in named or "Library" in str(named)
    assert pip_files({"PIP_CONFIG_FILE": "/dev/null"}) == []
