"""The same FastAPI application, each request inserted and committed before it is answered."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1]))
from model import Model
from schema import Answer, Question

INSERT = """
INSERT INTO bench.predictions (prediction_id, model, inputs, prediction, score)
VALUES ($1, $2, $3, $4, $5)
"""
model = Model()
name = os.environ["BENCH_NAME"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE"], min_size=4, max_size=16) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
async def predict(question: Question) -> Answer:
    records = [record.model_dump() for record in question.records]
    labels, scores = model.predict(records)
    rows = [
        (uuid.uuid4(), name, json.dumps(record), json.dumps(label), score)
        for record, label, score in zip(records, labels, scores, strict=True)
    ]
    if len(rows) == 1:
        await app.state.pool.execute(INSERT, *rows[0])
    else:
        await app.state.pool.executemany(INSERT, rows)  # one transaction
    return Answer(predictions=labels, scores=scores)
