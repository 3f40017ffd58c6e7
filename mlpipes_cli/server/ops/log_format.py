"""Format log records as JSON, one object per line, or as text for users.

Neither contains values of a request. Libraries quote them in exception messages, so the log has an
exception's type and stack, and its message only if it is one of ours. Of other libraries' messages, the log
has the first line.
"""

from __future__ import annotations

import logging
import re
import time
from types import TracebackType
from typing import Any

import msgspec

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.ops import context

_OURS = ("mlpipes", "uvicorn")
_LONGEST = {True: 4000, False: 500}  # characters of a message: ours, and those of libraries
_CHAIN, _FRAMES = 4, 40
_SECRETS = (
    (re.compile(r"mlp_[0-9a-f]{4,}_[0-9a-zA-Z]+"), "mlp_***"),
    (re.compile(r"(://[^:/@\s]*):[^@/\s]+@"), r"\1:***@"),
)
_LINE_ENDS = {0x85: "\\x85", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_encoder = msgspec.json.Encoder()


def without_secrets(text: str) -> str:
    """Return the text without API keys and passwords in addresses."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def as_utf8(text: str) -> str:
    """Return the text with characters escaped that UTF-8 cannot encode (single surrogates) or that some
    readers take for the end of a line although JSON leaves them unescaped.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").translate(_LINE_ENDS)


class Clock:
    """Format times as text; each second is formatted once."""

    def __init__(self, form: str, end: str) -> None:
        self._form, self._end = form, end
        self._second, self._text = -1, ""

    def __call__(self, moment: float) -> str:
        second = int(moment)
        if second != self._second:
            self._text = time.strftime(self._form, time.gmtime(second))
            self._second = second
        return f"{self._text}.{int((moment - second) * 1000):03d}{self._end}"


def utc() -> Clock:
    """Return a clock in ISO 8601 and UTC, to the millisecond."""
    return Clock("%Y-%m-%dT%H:%M:%S", "Z")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time, level, logger, message, request_id, trace_id, error."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = utc()

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self._clock(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
        }
        request = context.current.get()
        if request is not None:
            line["request_id"] = request.request_id
            if request.trace_id is not None:
                line["trace_id"] = request.trace_id
        if errors := errors_of(record):
            line["error"] = errors[0]
            if len(errors) > 1:
                line["caused_by"] = errors[1:]
        return _encoder.encode(line).decode("utf-8")


class HumanFormatter(logging.Formatter):
    """Formats a record for users: a line, and below it the stack of an exception."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = utc()

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self._clock(record.created)} {record.levelname:<7} {record.name}: {message_of(record)}"
        request = context.current.get()
        if request is not None:
            line += f" [{request.request_id}]"
        for position, error in enumerate(errors_of(record)):
            message = f": {error['message']}" if "message" in error else ""
            line += f"\n  {'caused by ' if position else ''}{error['type']}{message}"
            line += "".join(f"\n    {frame}" for frame in error["stack"])
        return line


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message without secrets, shortened."""
    ours = record.name.split(".")[0] in _OURS
    text = record.getMessage().strip()
    if not ours:
        text = text.split("\n", 1)[0]
    return as_utf8(without_secrets(text)[: _LONGEST[ours]])


def errors_of(record: logging.LogRecord) -> list[dict[str, Any]]:
    """Return the record's exception and its causes: type, stack (outermost frame first)."""
    error = record.exc_info[1] if record.exc_info else None
    found: list[dict[str, Any]] = []
    while error is not None and len(found) < _CHAIN:
        entry: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
        entry["type"] = entry["type"].removeprefix("builtins.")
        if isinstance(error, (MlpipesError, ApiError)):
            entry["message"] = without_secrets(str(error))[: _LONGEST[True]]
        entry["stack"] = _stack(error.__traceback__)
        found.append(entry)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _stack(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    return frames[-_FRAMES:]
