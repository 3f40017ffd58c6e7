"""Renew ``requirements.lock`` from ``pyproject.toml``, and the images' in ``compose/``: ``make lock``.

One file for Python 3.11 to 3.13 and every platform, each file of each package by its hash, and no
address in it. Versions stay as they are where they still fit, unless ``--fresh`` is given. An image gets
the very versions of the package's own environment, so that client and server are the same MLflow.

What an image's server never loads stands in the first line of its ``requirements.in``, ``# without: …``,
and is left out. What the images of the API and of MLflow both have is ``compose/common.lock`` too: they
install it first, by the same words, so that an engine has that layer once (docs/adr/0007).

The environments that trainers carry, ``environment.in`` in their folders, have locks without hashes, which
are used as constraints: see docs/adr/0012. Airflow's has hashes, and versions of its own.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import bootstrap

OPTIONS = "--universal --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet"
OPTIONS += " --fork-strategy fewest"
OWN = "--python-version 3.11 --generate-hashes"
IMAGES = bootstrap.ROOT / "compose"
SHARING = ("api", "mlflow")
COMMON = IMAGES / "common.lock"
AIRFLOW = IMAGES / "airflow" / "environment.in"
TRAINERS = bootstrap.ROOT / "mlpipes_cli" / "trainers"
OUR_OWN = "# python: our own\n"


def main():
    upgrade = ["--upgrade"] if "--fresh" in sys.argv[1:] else []
    if not (bootstrap.VENV / "bin" / "python").exists():
        bootstrap.make_venv()
    code = compile_lock([*upgrade, "--group", "dev", "pyproject.toml"], bootstrap.LOCK)
    for wanted in sorted(IMAGES.glob("*/requirements.in")):
        code = code or compile_image_lock(wanted, upgrade)
    if not code:
        write_common_lock()
    code = code or compile_lock([*upgrade, str(AIRFLOW)], AIRFLOW.with_suffix(".lock"))
    for wanted in sorted(TRAINERS.glob("*/environment.in")):
        if not wanted.read_text(encoding="utf-8").startswith(OUR_OWN):
            code = code or compile_environment_lock(wanted, upgrade)
    return code


def compile_image_lock(wanted, upgrade=()):
    """The lock of an image beside its ``requirements.in``, in the versions of our own lock."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder, "constraints.txt")
        constraints.write_text(own_versions(), encoding="utf-8")
        options = [*upgrade, "--constraints", str(constraints), str(wanted)]
        for name in left_out(wanted):
            options += ["--no-emit-package", name]
        return compile_lock(options, wanted.with_suffix(".lock"))


def left_out(wanted):
    """The packages that an image does without, though what it has names them."""
    first = re.match(r"# without: (.*)\n", wanted.read_text(encoding="utf-8"))
    return first[1].split() if first else []


def write_common_lock():
    """What the images that share a layer have in the same version, with the hashes.

    Without mlflow-skinny: the whole of MLflow replaces its files, so in a layer below they would be twice.
    """
    first, *others = (blocks(IMAGES / name / "requirements.lock") for name in SHARING)
    same = [block for block in first if all(block in other for other in others)]
    common = [block for block in same if not block.startswith("mlflow-skinny==")]
    COMMON.write_text("".join(common), encoding="utf-8")


def blocks(lock):
    """The packages of a lock, each with its lines of hashes."""
    return re.findall(r"^\S.*\n(?:[ \t]+.*\n)*", lock.read_text(encoding="utf-8"), re.MULTILINE)


def compile_environment_lock(wanted, upgrade=()):
    """The lock of a trainer's environment, for the Python of its first line, in our own versions where
    nothing speaks against them.
    """
    python = re.match(r"# python: (3\.\d+)\n", wanted.read_text(encoding="utf-8"))
    if python is None:
        bootstrap._say(f"error: {wanted}: its first line has to be like `# python: 3.11`")
        return 1
    output = wanted.with_suffix(".lock")
    before = output.read_text(encoding="utf-8") if output.exists() else None
    if before is None or upgrade:  # what stands in the output file is preferred
        output.write_text(own_versions() + "\n", encoding="utf-8")
    options = ["--python-version", python[1], str(TRAINERS / "base.in"), str(wanted)]
    code = compile_lock(options, output, hashes=False)
    if code:
        output.unlink() if before is None else output.write_text(before, encoding="utf-8")
    return code


def own_versions():
    """The pins of ``requirements.lock`` without their hashes."""
    lines = bootstrap.LOCK.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removesuffix(" \\") for line in lines if line and not line.startswith((" ", "#")))


def compile_lock(options, output, hashes=True):
    command = [
        bootstrap.find_uv(),
        "pip",
        "compile",
        *OPTIONS.split(),
        *(OWN.split() if hashes else ()),
        *options,
        "--output-file",
        str(output),
    ]
    return subprocess.run(
        command, cwd=bootstrap.ROOT, env=bootstrap.uv_environment(), stdout=subprocess.DEVNULL
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
