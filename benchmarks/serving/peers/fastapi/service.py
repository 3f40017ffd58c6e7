"""The model in a FastAPI application that stores nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1]))
from model import Model
from schema import Answer, Question

app = FastAPI()
model = Model()


@app.post("/predict")
async def predict(question: Question) -> Answer:
    labels, scores = model.predict([record.model_dump() for record in question.records])
    return Answer(predictions=labels, scores=scores)
