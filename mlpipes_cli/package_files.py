"""The only finder of the files that are shipped beside the code."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def root() -> Path:
    """The folder that holds ``compose/``, ``templates/`` and ``mlpipes.yaml.example``.

    ``_bundled/`` inside an installed package, the repository's root in a checkout.
    """
    bundled = _PACKAGE / "_bundled"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def package() -> Path:
    """The folder of our own code."""
    return _PACKAGE


def templates() -> Path:
    """One folder for each example of ``mlpipes init``."""
    return root() / "templates"


def compose() -> Path:
    """The folder of ``compose.yaml``, the description of the stack, and of what its images are built from."""
    return root() / "compose"
