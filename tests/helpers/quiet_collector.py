"""A pytest plugin: the garbage collector rests while tests are collected, and never looks at what they are.

Ten thousand tests, and the libraries that they import, are millions of objects that stay until the end. Each
full collection would go through all of them, again and again, and find nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
