"""A runtime for MLServer: raw ids as tensors of the V2 inference protocol."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.servers.task import load, queries_of


class RawIds(MLModel):  # type: ignore[misc]
    """Answers rows of raw ids."""

    async def load(self) -> bool:
        """Read the artifact."""
        self._model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Ratings and probabilities for rows of raw ids."""
        columns = {}
        for tensor in payload.inputs:
            columns[tensor.name] = NumpyCodec.decode_input(tensor)
        queries = queries_of(
            columns["userId"], columns["movieId"], columns["timestamp"]
        )

        predictions = self._model.predict(queries)
        outputs = [
            NumpyCodec.encode_output("rating", predictions.rating),
            NumpyCodec.encode_output("expected_rating", predictions.expected_rating),
            NumpyCodec.encode_output("probabilities", predictions.probabilities),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
