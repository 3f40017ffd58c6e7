"""``kill -9`` of the API and of Postgres under load: what a client was told is in the table once."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import httpx
import pytest
import serving_help
from load_help import RECORDS, Clients

pytestmark = pytest.mark.slow


def test_what_was_answered_is_in_the_table_exactly_once(
    postgres: serving_help.Postgres, saved_model: Path
) -> None:
    random.seed(4)
    api = serving_help.Api(saved_model, postgres.url)
    api.start()
    clients = Clients(api.url)
    try:
        for turn in range(6):
            clients.after(random.randint(20, 150))
            if turn % 3 != 1:
                api.end(signal.SIGKILL)
            if turn % 3 != 0:
                postgres.kill()
                postgres.start()
            if turn % 3 != 1:
                api.start()
        clients.after(100)
    finally:
        clients.stop()
        api.end(signal.SIGTERM)
    found = postgres.query("select prediction_id::text, caller_id, prediction from serving.predictions")
    by_id = {identifier: (caller, prediction) for identifier, caller, prediction in found}
    assert len(by_id) == len(found)
    assert len({told[0] for told in clients.told}) == len(clients.told) > 200
    assert [t for t in clients.told if by_id.get(t[0]) != (t[1], t[2])] == []
    assert clients.statuses <= {200, 503}


def test_a_stop_answers_and_stores_what_is_in_flight(
    postgres: serving_help.Postgres, saved_model: Path
) -> None:
    api = serving_help.Api(saved_model, postgres.url)
    api.start()
    clients = Clients(api.url)
    clients.after(50)
    assert api.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    clients.stop()
    ids = [told[0] for told in clients.told]
    found = postgres.query(
        "select count(*) from serving.predictions where prediction_id = any(%s::uuid[])", ids
    )
    assert found == [(len(ids),)]
    assert clients.statuses == {200}


def test_without_postgres_the_answer_is_503_within_the_bound_and_then_200(
    postgres: serving_help.Postgres, saved_model: Path
) -> None:
    api = serving_help.Api(saved_model, postgres.url, answer_timeout=2.0)
    api.start()
    try:
        with httpx.Client(base_url=api.url, timeout=60, trust_env=False) as client:
            assert client.post("/predict", json=RECORDS[0]).status_code == 200
            postgres.freeze(True)  # worse than dead: it takes requests and says nothing
            try:
                answer = client.post("/predict", json=RECORDS[0])
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 1
                assert client.get("/health").status_code == 200
            finally:
                postgres.freeze(False)
            serving_help.until(lambda: client.post("/predict", json=RECORDS[0]).status_code == 200)
            postgres.kill()
            try:
                answer = client.post("/predict", json=RECORDS[0])
                assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
                serving_help.until(lambda: client.get("/ready").status_code == 503)
            finally:
                postgres.start()
            serving_help.until(lambda: client.post("/predict", json=RECORDS[0]).status_code == 200)
            serving_help.until(lambda: client.get("/ready").status_code == 200)
    finally:
        api.end(signal.SIGTERM)
