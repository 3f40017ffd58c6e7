"""Describe errors of a request without quoting its values."""

from __future__ import annotations

import re
from typing import Any


def kind_of(value: Any) -> str:
    """Return the name of the value's JSON type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def without_values(message: str) -> str:
    """Return MLflow's message without the request's data, which it often quotes."""
    if "Failed to enforce schema" in message:
        message = message.rsplit("Error: ", 1)[-1]
    elif re.match(r"(Ensure that input|Failed to (parse|convert)|Provided dataframe)", message):
        message = re.split(r"\s*Error: |\nInput", message, maxsplit=1)[0]
    elif re.search(r"could not convert|invalid literal", message):  # NumPy's words, which quote the value
        message = "the data does not have the form that the model's columns need"
    message = message.split(" IMPORTANT: ")[0]
    return " ".join(message.split())[:400]
