"""Translates pip's settings for indexes and certificates into uv's.

Organisations configure pip by ``PIP_*`` variables or by pip's files; uv reads neither. uv's own variables
take precedence if both are set.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECTIONS = ("global", "install")  # later files take precedence
_DROPPED = (
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "UV_PYTHON",
    "UV_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_REQUIRE_HASHES",
    "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_TORCH_BACKEND", "UV_WORKING_DIRECTORY",
)  # fmt: skip


def uv_environment(environ: Mapping[str, str], files: Sequence[Path] | None = None) -> dict[str, str]:
    """Return the variables for uv.

    Args:
        environ: The variables of this process.
        files: pip's files, later ones take precedence; None finds them by pip's rules.
    """
    made = {name: value for name, value in environ.items() if name not in _DROPPED}
    told = _settings(environ, pip_files(environ) if files is None else files)
    if not any(made.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")) and told.get("index-url"):
        made["UV_DEFAULT_INDEX"] = told["index-url"]
    if not any(made.get(name) for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL")) and told.get("extra-index-url"):
        made["UV_EXTRA_INDEX_URL"] = " ".join(told["extra-index-url"].split())
        made.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as in pip: no-index takes precedence
    if told.get("find-links"):
        made.setdefault("UV_FIND_LINKS", ",".join(told["find-links"].split()))
    if told.get("trusted-host"):
        made.setdefault("UV_INSECURE_HOST", " ".join(told["trusted-host"].split()))
    if told.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        made.setdefault("UV_NO_INDEX", "1")
    certificates = told.get("cert") or environ.get("REQUESTS_CA_BUNDLE")
    if certificates and Path(certificates).exists():
        made.setdefault("SSL_CERT_FILE", certificates)
    if told.get("proxy") and not any(made.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        made["ALL_PROXY"] = told["proxy"]
    return made


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's files on this machine; later ones take precedence."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME") or "~").expanduser()
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [
        Path(part) / "pip" for part in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if part
    ]
    folders = [*reversed(shared), Path("/etc")]
    own = [home / ".pip", config / "pip"]
    if sys.platform == "darwin":
        folders = [Path("/Library/Application Support/pip")]
        own.insert(1, home / "Library/Application Support/pip")
    found = [folder / "pip.conf" for folder in (*folders, *own, Path(sys.prefix))]
    return [*found, Path(named)] if named else found


def _settings(environ: Mapping[str, str], files: Sequence[Path]) -> dict[str, str]:
    told: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                told |= {name.replace("_", "-"): value.strip() for name, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            told[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return told
