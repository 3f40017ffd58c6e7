"""Renew ``requirements.lock`` from ``pyproject.toml``: ``make lock``.

One file for Python 3.11 to 3.13 and every platform, each file of each package by its hash, and no
address in it. Versions stay as they are where they still fit, unless ``--fresh`` is given.
"""

import subprocess
import sys

import bootstrap

OPTIONS = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links"
OPTIONS += " --no-annotate --no-header --fork-strategy fewest --group dev --quiet"


def main():
    upgrade = ["--upgrade"] if "--fresh" in sys.argv[1:] else []
    if not (bootstrap.VENV / "bin" / "python").exists():
        bootstrap.make_venv()
    command = [bootstrap.find_uv(), "pip", "compile", *OPTIONS.split(), *upgrade, "pyproject.toml"]
    command += ["--output-file", str(bootstrap.LOCK)]
    return subprocess.run(
        command, cwd=bootstrap.ROOT, env=bootstrap.uv_environment(), stdout=subprocess.DEVNULL
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
