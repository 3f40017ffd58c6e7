"""The newest predictions out of a real Postgres."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import serving_help

from mlpipes_cli.adapters.postgres import bounded_query, database, recent_predictions
from mlpipes_cli.adapters.postgres.recent_predictions import PostgresRecentPredictions
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.recent_predictions import WIDTH

pytestmark = pytest.mark.slow
INSERT = """
insert into serving.predictions (prediction_id, made_at, model_name, model_version, model_alias, inputs,
                                 prediction, scores, latency_ms, shadow_of)
values (gen_random_uuid(), timestamptz '2026-03-01 12:00Z' + %s * interval '1 second', %s, %s, 'production',
        %s, %s, '0.5', 1.5, case when %s then gen_random_uuid() end) returning prediction_id::text
"""
Store = Callable[..., str]


@pytest.fixture
def store(postgres: serving_help.Postgres) -> Store:
    """Stores one prediction; gives its identifier."""
    database.migrate(postgres.url)
    postgres.query("truncate serving.predictions")

    def store(
        second: float, version: int = 1, model: str = "people", inputs: Any = None,
        prediction: Any = 1, shadow: bool = False,
    ) -> str:  # fmt: skip
        texts = json.dumps({} if inputs is None else inputs), json.dumps(prediction)
        return str(postgres.query(INSERT, second, model, version, *texts, shadow)[0][0])

    return store


def newest(postgres: serving_help.Postgres, limit: int = 20, model: str = "people") -> Any:
    return asyncio.run(PostgresRecentPredictions(postgres.url).recent(model, limit))


def test_the_newest_first_of_all_versions_and_of_no_other_model(
    postgres: serving_help.Postgres, store: Store
) -> None:
    stored = [store(second, version) for second, version in enumerate([1, 1, 2, 3, 2, 1])]
    store(99, model="kinds")
    store(100, 4, shadow=True)
    found = newest(postgres)
    assert [row.prediction_id for row in found] == stored[::-1]
    assert [row.version for row in found] == [1, 2, 3, 2, 1, 1]
    assert found[0].made_at == 1772366405000
    assert (found[0].alias, found[0].prediction, found[0].scores, found[0].latency_ms) == (
        "production", "1", "0.5", 1.5,
    )  # fmt: skip
    assert [row.prediction_id for row in newest(postgres, 2)] == stored[:-3:-1]
    assert newest(postgres, model="nobody") == []


def test_long_values_are_cut_in_the_database(postgres: serving_help.Postgres, store: Store) -> None:
    picture = "A" * 100_000
    store(1, inputs={"picture": picture, "n": 1.5, "none": None}, prediction={"text": "x" * 500})
    store(2, inputs=[[0.0] * 500])
    store(3, inputs=[[1, 2]], prediction="東" * WIDTH)
    listed, tensor, row = newest(postgres)
    assert json.loads(row.inputs) == {"picture": "A" * (WIDTH - 1) + "…", "n": 1.5, "none": None}
    assert len(json.loads(row.prediction)) == len(json.loads(tensor.inputs)) == WIDTH
    assert json.loads(listed.inputs) == [[1, 2]]
    assert json.loads(listed.prediction) == "東" * (WIDTH - 1) + "…"


def test_a_long_log_is_read_through_the_index_alone(postgres: serving_help.Postgres, store: Store) -> None:
    store(1)
    postgres.query(
        "insert into serving.predictions (prediction_id, made_at, model_name, model_version, model_alias, "
        "inputs, prediction, latency_ms) select gen_random_uuid(), timestamptz '2026-03-02' + i * interval "
        "'1 second', 'other', 1 + i / 5000, 'production', '{}', '1', 1 from generate_series(1, 20000) i"
    )
    postgres.query("analyze serving.predictions")
    values = ["people", "people", "people"]
    plan = recent_predictions.QUERY.replace("%(model)s", "%s")
    plan = plan.replace("%(window)s", "200").replace("%(limit)s", "20")
    told = "\n".join(line for (line,) in postgres.query("explain (analyze) " + plan, *values))
    assert "Seq Scan" not in told
    assert "Rows Removed by Filter: 1" not in told
    assert told.count("model_version_made_at_idx") >= 3


def test_a_database_that_hangs_or_is_away_is_said_within_seconds(
    postgres: serving_help.Postgres, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(1)
    monkeypatch.setattr(bounded_query, "PATIENCE", 1.0)

    async def three_times() -> list[Any]:
        asked = PostgresRecentPredictions(postgres.url)
        return await asyncio.gather(*(asked.recent("people", 5) for _ in range(3)), return_exceptions=True)

    postgres.freeze(True)
    began = time.monotonic()
    try:
        answers = asyncio.run(three_times())
    finally:
        postgres.freeze(False)
    assert all(isinstance(answer, MlpipesError) for answer in answers)
    assert time.monotonic() - began < 60
    with pytest.raises(MlpipesError, match="the database does not answer"):
        asyncio.run(PostgresRecentPredictions("postgresql://x:secret@127.0.0.1:1/x").recent("people", 5))
    assert len(newest(postgres)) == 1
