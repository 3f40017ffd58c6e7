"""Find the files that are shipped with the code. No other module looks for them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def root() -> Path:
    """Return the folder that holds ``compose/``, ``templates/`` and ``mlpipes.yaml.example``.

    This is ``_bundled/`` inside an installed package, and the repository's root in a checkout.
    """
    bundled = _PACKAGE / "_bundled"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def package() -> Path:
    """Return the folder of our own code."""
    return _PACKAGE


def templates() -> Path:
    """Return the folder that holds one folder for each example of ``mlpipes init``."""
    return root() / "templates"


def compose() -> Path:
    """Return the folder of ``compose.yaml``, which describes the stack, and of its images' build files."""
    return root() / "compose"
