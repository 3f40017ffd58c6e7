"""The server's log: all records of the process and all requests, on one stream, never blocking."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any, TextIO

import msgspec

from mlpipes_cli.server.ops import log_format
from mlpipes_cli.server.ops.context import RequestContext
from mlpipes_cli.server.ops.line_writer import LineWriter

_ACCESS = "mlpipes.access"
_FROM = {"all": 0, "errors": 400, "off": 1000}  # the lowest status that is logged
_PATH = 200  # characters of a path that are logged


class Output:
    """A stream with its formatter.

    Args:
        stream: The stream to write to.
        json: Whether lines are JSON; None uses JSON unless the stream is a terminal.
    """

    def __init__(self, stream: TextIO, json: bool | None = None) -> None:
        self.json = not stream.isatty() if json is None else json
        self.formatter: logging.Formatter = (
            log_format.JsonFormatter() if self.json else log_format.HumanFormatter()
        )
        self._writer = LineWriter(stream, self._dropped)
        self.put, self.close = self._writer.put, self._writer.close

    def _dropped(self, lines: int) -> bytes:
        message = f"{lines} log lines were dropped: the log's reader was too slow"
        record = logging.LogRecord("mlpipes.log", logging.WARNING, "", 0, message, None, None)
        return self.formatter.format(record).encode("utf-8") + b"\n"


class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output
        self.setFormatter(output.formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.output.put(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001  a record that cannot be written must not stop its caller
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Report that a record was lost, without its arguments."""
        message = f"a record of {record.name}, line {record.lineno}, could not be written"
        lost = logging.LogRecord("mlpipes.log", logging.WARNING, "", 0, message, None, None)
        self.output.put(self.format(lost).encode("utf-8") + b"\n")


def configure(stream: TextIO | None = None, level: int | str = "INFO", json: bool | None = None) -> Output:
    """Write every log record of the process to one stream; may be called again.

    Args:
        stream: The stream; the default is standard error.
        level: The level of the API's own records; those of libraries are written from WARNING on.
        json: Whether each line is a JSON object; None: unless the stream is a terminal.
    """
    output = Output(sys.stderr if stream is None else stream, json)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        if isinstance(handler, _Handler):
            handler.output.close()
    root.addHandler(_Handler(output))
    root.setLevel(logging.WARNING)
    for name in ("mlpipes", "mlpipes_cli"):
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    _current[:] = [output]
    return output


_current: list[Output] = []


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread else "unknown"
        logging.getLogger("mlpipes.server").error("thread %s exited", name, exc_info=failed.exc_value)


class _Line(msgspec.Struct, omit_defaults=True):
    time: str
    level: str
    logger: str
    message: str
    request_id: str
    method: str
    path: str
    status: int
    seconds: float
    trace_id: str | None = None
    span_id: str | None = None
    parent_id: str | None = None
    rows: int | None = None
    version: int | None = None


class AccessLog:
    """Logs a line per request: never its body, its headers or its query.

    Args:
        mode: ``all`` requests, only those answered with an error (``errors``), or none (``off``).
        output: The output; the default is that of :func:`configure`.
    """

    def __init__(self, mode: str = "errors", output: Output | None = None) -> None:
        self._from = _FROM[mode]
        self._output = output or (_current[0] if _current else None)
        self._encode = msgspec.json.Encoder().encode
        self._clock = log_format.utc()

    def record(
        self,
        context: RequestContext,
        method: str,
        path: str,
        status: int,
        seconds: float,
        rows: int | None = None,
        version: int | None = None,
    ) -> None:
        """Log one request.

        Args:
            context: The request's identifiers.
            method: The HTTP method.
            path: Without the query.
            status: The HTTP status.
            seconds: Time from the arrival until the answer was ready.
            rows: The number of rows of the request.
            version: The model version that answered.
        """
        if status < self._from:
            return
        if self._output is None:
            self._output = Output(sys.stderr)
        if "mlp_" in path or len(path) > _PATH or not path.isascii():
            path = log_format.as_utf8(log_format.without_secrets(path)[:_PATH])
        moment, level = self._clock(time.time()), "INFO" if status < 500 else "ERROR"
        if not self._output.json:
            self._output.put(
                _for_people(moment, level, context, method, path, status, seconds, rows, version)
            )
            return
        line = _Line(
            moment,
            level,
            _ACCESS,
            "request",
            context.request_id,
            method,
            path,
            status,
            round(seconds, 6),
            context.trace_id,
            context.span_id,
            context.parent_id,
            rows,
            version,
        )
        self._output.put(self._encode(line) + b"\n")


def _for_people(moment: str, level: str, context: RequestContext, *fields: Any) -> bytes:
    method, path, status, seconds, rows, version = fields
    path = path if path.isprintable() else ascii(path)[1:-1]
    line = f"{moment} {level:<7} {_ACCESS}: {method} {path} {status} {seconds * 1000:.1f} ms"
    line += f" {rows} rows" if rows is not None else ""
    line += f" version {version}" if version is not None else ""
    return f"{line} [{context.request_id}]\n".encode("utf-8", "backslashreplace")
