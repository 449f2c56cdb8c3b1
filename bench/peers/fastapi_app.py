# pyright: basic, reportMissingImports=false
# Runs in an environment of its own, which the type checker does not see.
"""What a tutorial would have you write: FastAPI, a pydantic model of the body, uvicorn with two workers."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from bench.peers import session

SESSION = session.load()
app = FastAPI()


class Rows(BaseModel):
    instances: list[list[float]]


class Answer(BaseModel):
    label: list[int]
    probabilities: list[list[float]]


@app.post("/predict")
async def predict(rows: Rows) -> Answer:
    label, probabilities = session.run(SESSION, rows.instances)
    return Answer(label=label, probabilities=probabilities)
