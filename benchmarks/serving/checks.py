"""Whether a server answers what scikit-learn answers, and whether ours stored all of it, once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from envs import BenchError
from peers.base import Answers, Record, Route, Target
from processes import ask, post
from stack import Stack

TOLERANCE = 1e-9
PROBES = 20
SETTLE = 0.5  # seconds until the last rows of an ended load are committed
CLIENTS, REQUESTS = 16, 1000


@dataclass(frozen=True)
class Stored:
    """The rows of one session of our server against the answers that clients got.

    Attributes:
        answered: Rows in answers that wrk counted.
        in_flight: Rows that it may have asked for and not waited for, at most.
        found: Rows in the table.
        identifiers: Prediction ids that a client of ours received in answers of its own.
        once: How many of those are in the table exactly once.
    """

    answered: int
    in_flight: int
    found: int
    identifiers: int
    once: int

    @property
    def holds(self) -> bool:
        """Nothing that was answered is missing, nothing is there that was not asked for."""
        counted = self.answered <= self.found <= self.answered + self.in_flight
        return counted and self.identifiers == self.once > 0


def same(answers: Answers, truth: Answers) -> bool:
    """The same labels, and scores within 1e-9 where both have them."""
    if answers.labels != truth.labels:
        return False
    if answers.scores is None or truth.scores is None:
        return True
    if len(answers.scores) != len(truth.scores):
        return False
    pairs = zip(answers.scores, truth.scores, strict=True)
    return all(math.isclose(one, other, rel_tol=0, abs_tol=TOLERANCE) for one, other in pairs)


def part(truth: Answers, position: int) -> Answers:
    """The answer to one row."""
    scores = None if truth.scores is None else [truth.scores[position]]
    return Answers([truth.labels[position]], scores)


def verify(port: int, route: Route, target: Target, records: Sequence[Record], truth: Answers) -> None:
    """Single rows and all rows at once are answered as the model itself does.

    Raises:
        BenchError: They are not.
    """
    for position, record in enumerate(records[:PROBES]):
        if not same(ask(port, route, target.name, [record]), part(truth, position)):
            raise BenchError(f"{route.path} answers row {position} wrong")
    if not same(ask(port, route, target.name, records), truth):
        raise BenchError(f"{route.path} answers {len(records)} rows wrong")


def stored_rows(stack: Stack, model: str) -> int:
    """How many predictions of a model the table holds, once the last ones are there."""
    time.sleep(SETTLE)
    return int(stack.execute("SELECT count(*) FROM serving.predictions WHERE model_name = %s", model)[0][0])


def identifiers(port: int, target: Target, records: Sequence[Record], truth: Answers) -> list[str]:
    """The prediction ids of :data:`REQUESTS` single rows asked by :data:`CLIENTS` at once, answers checked.

    Raises:
        BenchError: An answer is wrong.
    """

    def one(number: int) -> str:
        position = number % len(records)
        status, body = post(port, "/predict", json.dumps([records[position]]))
        if status != 200:
            raise BenchError(f"/predict answered {status}: {body[:200].decode(errors='replace')}")
        answer = json.loads(body)
        if not same(Answers(answer["predictions"], answer["scores"]), part(truth, position)):
            raise BenchError(f"/predict answers row {position} wrong while others ask")
        return str(answer["prediction_ids"][0])

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(one, range(REQUESTS)))


def found_once(stack: Stack, wanted: Sequence[str]) -> int:
    """How many of the identifiers are in the table exactly once."""
    rows = stack.execute(
        "SELECT count(*) FROM (SELECT prediction_id FROM serving.predictions"
        " WHERE prediction_id = ANY(%s::uuid[]) GROUP BY prediction_id HAVING count(*) = 1) AS once",
        list(set(wanted)),
    )
    return int(rows[0][0])
