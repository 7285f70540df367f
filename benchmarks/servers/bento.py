"""A BentoML service: JSON in and out, and XGBoost's `inplace_predict`."""

from __future__ import annotations

import math
import os
from typing import Any

import bentoml

from benchmarks.servers.task import load, predictions_of, queries_of

Record = dict[str, Any]


@bentoml.service(workers=int(os.environ["WORKERS"]))
class RawIds:
    """Answers rows of raw ids."""

    def __init__(self) -> None:
        self._model = load()

    @bentoml.api(route="/invocations")  # type: ignore[untyped-decorator]
    def invocations(self, instances: list[Record]) -> dict[str, list[Record]]:
        """Ratings for rows of raw ids."""
        queries = queries_of(
            [row.get("userId", math.nan) for row in instances],
            [row.get("movieId", math.nan) for row in instances],
            [row.get("timestamp", math.nan) for row in instances],
        )
        return {"predictions": predictions_of(self._model, queries)}
