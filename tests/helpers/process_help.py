"""Processes that may end while one asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import psutil


def ended(process: psutil.Process | int) -> bool:
    """Whether it is gone; one that nobody has buried yet is."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return not found.is_running() or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def commands(processes: Iterable[psutil.Process]) -> Iterator[tuple[psutil.Process, list[str]]]:
    """Each that has not ended, with its command line."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            told = process.cmdline()
            if told:  # a zombie has none
                yield process, told
