"""BentoML's service, JSON in and out, and `Booster.inplace_predict`."""

from __future__ import annotations

import math
import os
from typing import Any

import bentoml

from benchmarks.servers.task import load, predictions_of, queries_of


@bentoml.service(workers=int(os.environ["WORKERS"]))
class RawIds:
    """The model."""

    def __init__(self) -> None:
        self._model = load()

    @bentoml.api(route="/invocations")  # type: ignore[untyped-decorator]
    def invocations(
        self, instances: list[dict[str, Any]]
    ) -> dict[str, list[dict[str, Any]]]:
        """Ratings for rows of raw ids."""
        columns = [
            [row.get(name, math.nan) for row in instances]
            for name in ("userId", "movieId", "timestamp")
        ]
        return {"predictions": predictions_of(self._model, queries_of(*columns))}
