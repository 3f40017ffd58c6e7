"""Normalizes pins and computes the hashes that identify an environment."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterable
from functools import lru_cache

from mlpipes_cli.ports.environments import EnvironmentSpec

_FORMAT = 1
_LENGTH = 20  # hexadecimal digits: 80 bits


def pins(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements of a compiled file, sorted, without comments.

    The local version label (``2.13.0+cpu``) is removed: another index has another build of the same
    version, and the pin without the label fits both.
    """
    kept = (re.split(r"\s#|\s--", line)[0].strip().rstrip("\\").strip() for line in lines)
    plain = {re.sub(r"^([\w.-]+==[^\s;+]+)\+[\w.]+", r"\1", line) for line in kept}
    return tuple(sorted(line for line in plain if line and not line.startswith(("#", "-"))))


@lru_cache(maxsize=1)
def this_platform() -> str:
    """Return what, beside the Python version, decides which wheels fit."""
    return "-".join(filter(None, (sys.platform, platform.machine().lower(), platform.libc_ver()[0])))


def of_environment(python: str, lock: Iterable[str]) -> str:
    """Return the hash of an environment."""
    return _hash(["environment", python, list(lock), this_platform()])


def of_request(spec: EnvironmentSpec) -> str:
    """Return the hash of a request, before its versions are known."""
    asked = [spec.python, list(spec.requirements), list(spec.constraints), list(spec.preferences)]
    return _hash(["request", asked, this_platform()])


def _hash(content: list[object]) -> str:
    text = json.dumps([_FORMAT, *content], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
