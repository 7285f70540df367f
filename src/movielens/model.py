"""From raw ids to a distribution over rating classes: the fitted features and the
trees, as one thing.

Training evaluates through this class and serving answers through it, so what was
evaluated is what is served. Nothing here depends on how many rows are asked at once:
the mean of the distribution is summed class by class, since a matrix product may round
a single row otherwise than the same row among many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.predictions import Decision, Predictions
from movielens.queries import RatingQueries
from movielens.tables import MovieTable

Floats = NDArray[np.float32]


class Booster(Protocol):
    """What a model needs of its trees: `xgboost.Booster` has it, and so does whatever
    else gives the same bits.
    """

    def inplace_predict(self, data: Any, *, validate_features: bool) -> Any:
        """Probabilities, float32 (n_rows, n_classes), or stars, (n_rows,), of float32
        (n_rows, n_features).
        """


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted `FeatureSpec` and the trees trained on its features.

    Attributes:
        spec: makes the features.
        booster: says the probabilities of the classes.
        decision: how a class is chosen of them.
        regression: says stars, if there is one.
    """

    spec: FeatureSpec
    booster: Booster
    decision: Decision = "mode"
    regression: Booster | None = None

    @property
    def class_values(self) -> tuple[float, ...]:
        """Stars of each class, rising."""
        return self.spec.scale.class_values

    @property
    def movies(self) -> MovieTable:
        """The catalogue of the training job."""
        return self.spec.movies

    def predict(self, queries: RatingQueries) -> Predictions:
        """Predictions for any number of rows; safe to call from several threads."""
        return self.predict_features(self.spec.values(queries))

    def predict_features(self, features: Floats) -> Predictions:
        """Predictions from features, float32 (n_rows, n_features); as safe."""
        if not len(features):
            nothing = np.empty((0, len(self.class_values)), dtype=np.float32)
            return Predictions(nothing, self.class_values, self.decision)
        probabilities: Floats = self.booster.inplace_predict(
            features, validate_features=False
        )
        estimate: Floats | None = None
        if self.regression is not None:
            stars: Floats = self.regression.inplace_predict(
                features, validate_features=False
            )
            estimate = stars.reshape(-1)
        return Predictions(probabilities, self.class_values, self.decision, estimate)

    def knows_user(self, user_id: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each user has ratings in the training rows, bool (n_rows,)."""
        return self.spec.users.index(user_id) >= 0

    def movie_index(self, movie_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each movie in `movies`, int64 (n_rows,), -1 where the catalogue
        doesn't list it.
        """
        return self.spec.movie_index.index(movie_id)
