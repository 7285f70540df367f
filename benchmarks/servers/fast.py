"""FastAPI on uvicorn: rows as pydantic models, and XGBoost's `inplace_predict`."""

from __future__ import annotations

import math

from fastapi import FastAPI, Response
from pydantic import BaseModel

from benchmarks.servers.task import load, predictions_of, queries_of

model = load()
app = FastAPI()


class Row(BaseModel):
    """A row of raw ids."""

    userId: int  # noqa: N815 - its name in requests
    movieId: int  # noqa: N815 - its name in requests
    timestamp: float = math.nan


class Instances(BaseModel):
    """A request."""

    instances: list[Row]


class Prediction(BaseModel):
    """A row of the answer."""

    rating: float
    expected_rating: float
    probabilities: list[float]


class Predictions(BaseModel):
    """An answer."""

    predictions: list[Prediction]


@app.get("/ping")  # type: ignore[untyped-decorator]
def ping() -> Response:
    """Healthy: the model is loaded by now."""
    return Response()


@app.post("/invocations")  # type: ignore[untyped-decorator]
def invocations(request: Instances) -> Predictions:
    """Ratings for rows of raw ids."""
    rows = request.instances
    queries = queries_of(
        [row.userId for row in rows],
        [row.movieId for row in rows],
        [row.timestamp for row in rows],
    )
    records = predictions_of(model, queries)
    return Predictions(predictions=[Prediction(**record) for record in records])
