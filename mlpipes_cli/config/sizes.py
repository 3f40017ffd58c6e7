"""Amounts of memory in our files."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from mlpipes_cli.sizes import size


def _size(text: str | int) -> str | int:
    size(text)
    return text


Size = Annotated[str | int, AfterValidator(_size)]
