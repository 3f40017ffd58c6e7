"""Return memory to the system that loading needed and serving does not."""

from __future__ import annotations

import ctypes
import gc
import os
import sys


def prepare() -> None:
    """Make Arrow allocate where :func:`trim` can return memory; call it before Arrow is imported."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def trim(*, freeze: bool = False) -> None:
    """Collect garbage and return free pages of the C heap (glibc's ``malloc_trim``; nothing elsewhere).

    Args:
        freeze: Whether to exclude all present objects from later collections, which makes those short; for
            the end of the start.
    """
    gc.collect()
    if freeze:
        gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
