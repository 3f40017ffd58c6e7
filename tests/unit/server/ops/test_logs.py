from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.ops import context, logs
from mlpipes_cli.server.ops.context import RequestContext
from mlpipes_cli.server.ops.keys import new_key
from mlpipes_cli.server.ops.log_format import without_secrets

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def configured(json: bool | None = True, stream: io.StringIO | None = None) -> Iterator[io.StringIO]:
    """The log of this process in a stream, complete when the context ends."""
    root = logging.getLogger()
    before, level, hook = root.handlers[:], root.level, threading.excepthook
    stream = stream or io.StringIO()
    for name in ("uvicorn", "uvicorn.error"):  # as a server of another test may have left them
        logger = logging.getLogger(name)
        logger.disabled, logger.propagate, logger.level = False, True, logging.NOTSET
    output = logs.configure(stream, "INFO", json)
    try:
        yield stream
    finally:
        output.close(5)
        logging.captureWarnings(False)
        threading.excepthook = hook
        logs._current.clear()
        root.handlers[:] = before
        root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def request(**headers: str) -> RequestContext:
    return RequestContext.read([(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()])


def test_a_record_is_one_json_object_with_the_requests_identifiers() -> None:
    with configured() as stream:
        token = context.current.set(request(x_request_id="abc", traceparent=TRACE))
        logging.getLogger("mlpipes.server").info("one\nof %d", 2)
        context.current.reset(token)
        logging.getLogger("mlpipes.server").debug("not wanted")
        logging.getLogger("mlpipes.server").warning("no request")
    first, second = lines(stream)
    assert {k: first[k] for k in first if k != "time"} == {
        "level": "INFO",
        "logger": "mlpipes.server",
        "message": "one\nof 2",
        "request_id": "abc",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert first["time"].endswith("Z") and len(first["time"]) == 24
    assert second.keys() == {"time", "level", "logger", "message"}


def test_an_exception_is_its_type_and_stack_but_not_its_words() -> None:
    with configured() as stream:
        try:
            try:
                float("4929-1234-secret")
            except ValueError as error:
                raise KeyError("4929-1234-secret") from error
        except KeyError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
        try:
            raise MlpipesError("the database does not answer")
        except MlpipesError:
            logging.getLogger("mlpipes.server").exception("not stored")
    foreign, ours = lines(stream)
    assert "secret" not in stream.getvalue()
    assert foreign["error"]["type"] == "KeyError"
    assert "test_logs.py" in foreign["error"]["stack"][-1]
    assert [error["type"] for error in foreign["caused_by"]] == ["ValueError"]
    assert ours["error"]["message"] == "the database does not answer"


def test_of_what_libraries_say_the_first_line_is_kept() -> None:
    with configured() as stream:
        logging.getLogger("asyncio").error("Task failed\nfuture: <ValueError('4929-secret')>")
        logging.getLogger("some.library").warning("x" * 5000)
        logging.getLogger("some.library").info("not wanted")
        warnings.warn("columns differ\n4929-secret", stacklevel=1)
    task, library, warning = lines(stream)
    assert task["message"] == "Task failed"
    assert len(library["message"]) == 500
    assert warning["logger"] == "py.warnings" and "columns differ" in warning["message"]
    assert "secret" not in stream.getvalue()


def test_no_key_and_no_password_of_an_address_is_logged() -> None:
    key = new_key().text
    with configured() as stream:
        logging.getLogger("mlpipes.server").warning("key %s at postgresql://me:pass%%2Fword@host/x", key)
        logs.AccessLog("all").record(request(), "GET", f"/{key}/x", 404, 0.1)
    assert key not in stream.getvalue()
    assert "word" not in stream.getvalue()
    assert "postgresql://me:***@host/x" in lines(stream)[0]["message"]
    assert lines(stream)[1]["path"] == "/mlp_***/x"
    assert without_secrets("http://[::1]:5000/a@b and a@b:c") == "http://[::1]:5000/a@b and a@b:c"


def test_a_record_that_cannot_be_formatted_is_told_without_its_values() -> None:
    with configured() as stream:
        logging.getLogger("mlpipes.server").error("%d rows", "4929-secret")
        logging.getLogger("mlpipes.server").error("still here \ud800")
    lost, still = lines(stream)
    assert "could not be written" in lost["message"] and "secret" not in stream.getvalue()
    assert still["message"] == "still here \\ud800"


def test_a_thread_that_fails_is_logged() -> None:
    with configured() as stream:
        thread = threading.Thread(target=lambda: float("4929-secret"), name="writer")
        thread.start()
        thread.join()
    (line,) = lines(stream)
    assert line["message"] == "thread writer exited"
    assert line["error"]["type"] == "ValueError" and "secret" not in stream.getvalue()


def test_for_people_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with configured(None, Terminal()) as stream:
        logging.getLogger("mlpipes.server").warning("hello")
        logs.AccessLog("all").record(request(x_request_id="abc"), "POST", "/a\x1b[31m", 200, 0.0042, 3, 7)
    hello, access = stream.getvalue().splitlines()
    assert hello.endswith("WARNING mlpipes.server: hello")
    assert access.endswith(r"POST /a\x1b[31m 200 4.2 ms 3 rows version 7 [abc]")


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    with configured(None) as stream:
        logging.getLogger("mlpipes.server").warning("hello")
    assert lines(stream)[0]["message"] == "hello"


def test_a_request_is_one_line() -> None:
    with configured() as stream:
        log = logs.AccessLog("all")
        log.record(
            request(x_request_id='a"b', traceparent=TRACE), "POST", '/x"y\n\u00e4', 200, 0.0123456789, 3, 7
        )
        log.record(request(x_request_id="c"), "GET", "/ready", 503, 0.5)
    first, second = lines(stream)
    assert first.pop("time") and len(first.pop("span_id")) == 16
    assert first == {
        "level": "INFO",
        "logger": "mlpipes.access",
        "message": "request",
        "request_id": 'a"b',
        "method": "POST",
        "path": '/x"y\n\u00e4',
        "status": 200,
        "seconds": 0.012346,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "parent_id": "b7ad6b7169203331",
        "rows": 3,
        "version": 7,
    }
    assert (second["level"], second["status"]) == ("ERROR", 503)
    assert "rows" not in second


@pytest.mark.parametrize(("mode", "logged"), [("all", [200, 404, 500]), ("errors", [404, 500]), ("off", [])])
def test_which_requests_are_logged(mode: str, logged: list[int]) -> None:
    with configured() as stream:
        log = logs.AccessLog(mode)
        for status in (200, 404, 500):
            log.record(request(), "GET", "/", status, 0.1)
    assert [line["status"] for line in lines(stream)] == logged


@given(st.text(max_size=300))
def test_any_path_is_one_line_of_json(path: str) -> None:
    for json_lines in (True, False):
        stream = io.StringIO()
        output = logs.Output(stream, json_lines)
        logs.AccessLog("all", output).record(RequestContext("abc"), "GET", path, 200, 0.1)
        output.close(5)
        (line,) = stream.getvalue().splitlines()
        if json_lines:
            told = json.loads(line)["path"]
            assert told == path[:200] or not path.isprintable()


@pytest.mark.slow
def test_a_blocked_stream_stops_nobody_and_says_what_was_lost() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    output = logs.Output(stream, True)
    log, asked = logs.AccessLog("all", output), RequestContext("abc")
    began = time.perf_counter()
    for _ in range(50_000):  # 8 MB, of which the pipe takes 64 KiB and the writer keeps 4 MiB
        log.record(asked, "POST", "/predict", 200, 0.1, 1, 3)
    assert time.perf_counter() - began < 60
    got: list[bytes] = []

    def drain() -> None:
        while part := os.read(reading, 65536):
            got.append(part)

    thread = threading.Thread(target=drain)
    thread.start()
    sent, deadline = 50_000, time.monotonic() + 20
    while b"dropped" not in b"".join(got[-2:]) and time.monotonic() < deadline:
        time.sleep(0.1)
        log.record(asked, "GET", "/ready", 200, 0.1)
        sent += 1
    output.close(5)
    stream.close()
    thread.join()
    os.close(reading)
    written = [json.loads(line) for line in b"".join(got).splitlines()]
    lost = sum(int(line["message"].split()[0]) for line in written if line["logger"] == "mlpipes.log")
    requests = sum(line["logger"] == "mlpipes.access" for line in written)
    assert requests + lost == sent and lost > 0


_WRITER = """
import logging, os, sys
from mlpipes_cli.server.ops import logs
logs.configure()
for n in range(int(sys.argv[1])):
    logging.getLogger("mlpipes.test").info("%s %d %s", os.getpid(), n, "x" * 300)
"""


def test_the_last_lines_are_written_when_the_process_ends_and_several_share_a_pipe() -> None:
    command = [sys.executable, "-c", _WRITER, "500"]
    reading, writing = os.pipe()
    processes = [subprocess.Popen(command, stderr=writing) for _ in range(3)]
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        messages = [json.loads(line)["message"].split() for line in pipe]
    assert [process.wait() for process in processes] == [0, 0, 0]
    for process in processes:
        mine = [int(n) for pid, n, _ in messages if pid == str(process.pid)]
        assert mine == list(range(500))


def test_a_forked_process_writes_its_own_lines() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    output = logs.Output(stream, True)
    log = logs.AccessLog("all", output)
    log.record(RequestContext("parent"), "GET", "/", 200, 0.1)
    child = os.fork()
    if child == 0:
        log.record(RequestContext("child"), "GET", "/", 200, 0.1)
        output.close(5)
        os._exit(0)
    os.waitpid(child, 0)
    output.close(5)
    stream.close()
    with os.fdopen(reading) as pipe:
        assert sorted(json.loads(line)["request_id"] for line in pipe) == ["child", "parent"]
