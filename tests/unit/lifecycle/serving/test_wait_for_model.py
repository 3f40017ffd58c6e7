"""An API that waits for a first promotion."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request

import pytest

from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.serving.plan import NotPromoted
from mlpipes_cli.lifecycle.serving.wait_for_model import until_promoted

HINT = "train, then `mlpipes promote`"
MISSING = NotPromoted("no model is registered yet", HINT)


class Registry:
    """Answers in turn; from the second look on, when somebody listens, it asks the questions first."""

    def __init__(self, *answers: Exception | str) -> None:
        self.port = ports.first(18000)
        self.answers = list(answers)
        self.questions: list[tuple[str, str, bytes | None]] = []
        self.said: list[str] = []
        self.seen: list[tuple[int, str, str | None]] = []

    def __call__(self) -> str:
        if self.said:
            self.seen += [self.ask(*question) for question in self.questions]
            self.questions = []
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, str, str | None]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), answer.headers["Retry-After"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["Retry-After"]

    def wait(self) -> str:
        return until_promoted(self, "127.0.0.1", self.port, self.said.append, pause=0.01)


def test_what_is_promoted_is_taken_at_once() -> None:
    registry = Registry("people")
    assert (registry.wait(), registry.said) == ("people", [])


def test_meanwhile_it_is_alive_and_says_what_is_missing() -> None:
    registry = Registry(MISSING, MISSING, MlpipesError("MLflow does not answer"), "people")
    registry.questions = [
        ("GET", "/health", None), ("GET", "/ping", None), ("HEAD", "/ready", None),
        ("POST", "/predict", b"x" * 100_000), ("GET", "/v2/health/ready", None),
    ]  # fmt: skip
    assert registry.wait() == "people"
    assert registry.said == [f"no model is registered yet; waiting for one ({HINT})"]
    alive, ping, ready, predict, v2 = registry.seen
    assert alive == (200, '{"status": "waiting"}', None)
    why = f"no model is registered yet; {HINT}"
    assert (ping[0], json.loads(ping[1])["message"], ping[2]) == (503, why, "10")
    assert ready == (503, "", "10")
    assert (predict[0], json.loads(predict[1])["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert json.loads(v2[1]) == {"error": why}
    with pytest.raises(OSError):  # the port is free again for the API itself
        registry.ask("GET", "/health", None)


def test_what_no_promotion_changes_ends_it() -> None:
    registry = Registry(MISSING, UsageError("there are several registered models"))
    with pytest.raises(UsageError, match="several"):
        registry.wait()
    with pytest.raises(MlpipesError, match="does not answer"):
        Registry(MlpipesError("MLflow does not answer")).wait()


def test_it_ends_well_when_told_to() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def look() -> str:
        if registry.said:
            os.kill(os.getpid(), signal.SIGTERM)
        raise MISSING

    registry = Registry()
    with pytest.raises(SystemExit) as ended:
        until_promoted(look, "127.0.0.1", registry.port, registry.said.append, pause=0.01)
    assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before
