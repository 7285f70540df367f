"""MLServer with a runtime of its own kind: columns of raw ids as tensors of the V2
protocol.
"""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.servers.task import load, queries_of


class RawIds(MLModel):  # type: ignore[misc]
    """The model."""

    async def load(self) -> bool:
        """Read the artifact."""
        self._model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Ratings and probabilities for rows of raw ids."""
        column = {
            tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs
        }
        queries = queries_of(column["userId"], column["movieId"], column["timestamp"])
        scores = self._model.predict(queries)
        outputs = {
            "rating": scores.rating,
            "expected_rating": scores.expected_rating,
            "probabilities": scores.probabilities,
        }
        encoded = [
            NumpyCodec.encode_output(name, values) for name, values in outputs.items()
        ]
        return InferenceResponse(model_name=self.name, outputs=encoded)
