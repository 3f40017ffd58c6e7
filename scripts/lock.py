"""Renew ``requirements.lock`` from ``pyproject.toml``, and the images' in ``compose/``: ``make lock``.

One file for Python 3.11 to 3.13 and every platform, each file of each package by its hash, and no
address in it. Versions stay as they are where they still fit, unless ``--fresh`` is given. An image gets
the very versions of the package's own environment, so that client and server are the same MLflow.
"""

import pathlib
import subprocess
import sys
import tempfile

import bootstrap

OPTIONS = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links"
OPTIONS += " --no-annotate --no-header --fork-strategy fewest --quiet"
IMAGES = bootstrap.ROOT / "compose"


def main():
    upgrade = ["--upgrade"] if "--fresh" in sys.argv[1:] else []
    if not (bootstrap.VENV / "bin" / "python").exists():
        bootstrap.make_venv()
    code = compile_lock([*upgrade, "--group", "dev", "pyproject.toml"], bootstrap.LOCK)
    for wanted in sorted(IMAGES.glob("*/requirements.in")):
        code = code or compile_image_lock(wanted, upgrade)
    return code


def compile_image_lock(wanted, upgrade=()):
    """The lock of an image beside its ``requirements.in``, in the versions of our own lock."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder, "constraints.txt")
        constraints.write_text(own_versions(), encoding="utf-8")
        options = [*upgrade, "--constraints", str(constraints), str(wanted)]
        return compile_lock(options, wanted.with_suffix(".lock"))


def own_versions():
    """The pins of ``requirements.lock`` without their hashes."""
    lines = bootstrap.LOCK.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removesuffix(" \\") for line in lines if line and not line.startswith((" ", "#")))


def compile_lock(options, output):
    command = [
        bootstrap.find_uv(),
        "pip",
        "compile",
        *OPTIONS.split(),
        *options,
        "--output-file",
        str(output),
    ]
    return subprocess.run(
        command, cwd=bootstrap.ROOT, env=bootstrap.uv_environment(), stdout=subprocess.DEVNULL
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
