"""What a log record looks like: a JSON object a line, or a line for people.

Neither holds a request's values. Libraries quote them in the messages of their exceptions, so of an
exception the log has its type and where it was raised; its message only where it is one of ours. Of what
other libraries log, it has the first line.
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
_LONGEST = {True: 4000, False: 500}  # characters of a message: ours, and those of others
_CHAIN, _FRAMES = 4, 40
_SECRETS = (
    (re.compile(r"mlp_[0-9a-f]{4,}_[0-9a-zA-Z]+"), "mlp_***"),
    (re.compile(r"(://[^:/@\s]*):[^@/\s]+@"), r"\1:***@"),
)
_LINE_ENDS = {0x85: "\\x85", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_encoder = msgspec.json.Encoder()


def without_secrets(text: str) -> str:
    """The text without API keys and passwords of addresses."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def as_utf8(text: str) -> str:
    """The text with what UTF-8 does not know (halves of surrogate pairs), and what JSON leaves as it is
    although some take it for the end of a line, written out.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").translate(_LINE_ENDS)


class Clock:
    """Times as text, for which a second is formatted once."""

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
    """ISO 8601 in UTC, to the millisecond."""
    return Clock("%Y-%m-%dT%H:%M:%S", "Z")


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, request_id, trace_id, error."""

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
    """A record for people: a line, and below it where an exception was raised."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = utc()

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self._clock(record.created)} {record.levelname:<7} {record.name}: {message_of(record)}"
        request = context.current.get()
        if request is not None:
            line += f" [{request.request_id}]"
        for position, error in enumerate(errors_of(record)):
            told = f": {error['message']}" if "message" in error else ""
            line += f"\n  {'caused by ' if position else ''}{error['type']}{told}"
            line += "".join(f"\n    {frame}" for frame in error["stack"])
        return line


def message_of(record: logging.LogRecord) -> str:
    """The record's message as it may be written."""
    ours = record.name.split(".")[0] in _OURS
    text = record.getMessage().strip()
    if not ours:
        text = text.split("\n", 1)[0]
    return as_utf8(without_secrets(text)[: _LONGEST[ours]])


def errors_of(record: logging.LogRecord) -> list[dict[str, Any]]:
    """The record's exception and those that it came from: type, stack (outermost frame first)."""
    error = record.exc_info[1] if record.exc_info else None
    found: list[dict[str, Any]] = []
    while error is not None and len(found) < _CHAIN:
        told: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
        told["type"] = told["type"].removeprefix("builtins.")
        if isinstance(error, (MlpipesError, ApiError)):
            told["message"] = without_secrets(str(error))[: _LONGEST[True]]
        told["stack"] = _stack(error.__traceback__)
        found.append(told)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _stack(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    return frames[-_FRAMES:]
