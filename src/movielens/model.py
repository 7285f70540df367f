"""From raw ids to a distribution over rating classes: the features and the trees.

Training evaluates and serving answers through this class. Batches go through
`Model.predict`; the server makes the features of a single row in its own way, with the
same bits, and passes them to `Model.predict_features`. So what was evaluated is what is
served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.predictions import Decision, Predictions
from movielens.queries import RatingQueries, UnknownIds
from movielens.tables import MovieTable

Floats = NDArray[np.float32]


class Booster(Protocol):
    """What a model needs of its trees.

    `xgboost.Booster` has it, and so has the server's `FlatForest`, with the same bits.
    """

    def inplace_predict(self, data: Any, *, validate_features: bool) -> Any:
        """Predict rows of features, float32 (n_rows, n_features).

        Returns:
            Probabilities, float32 (n_rows, n_classes). A regression returns stars,
            float32 (n_rows,).
        """


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted `FeatureSpec` and the trees trained on its features.

    Attributes:
        spec: makes the features.
        booster: predicts the probabilities of the classes.
        decision: how a class is chosen from them.
        regression: predicts stars; None if there is no regression.
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
        """Predictions for any number of rows, including none.

        Several threads may call it at the same time.
        """
        return self.predict_and_look_up(queries)[0]

    def predict_and_look_up(
        self, queries: RatingQueries
    ) -> tuple[Predictions, UnknownIds | None]:
        """The same, and which ids weren't known; None if all were."""
        features, unknown = self.spec.values_and_unknown(queries)
        return self.predict_features(features), unknown

    def predict_features(self, features: Floats) -> Predictions:
        """Predictions from features, float32 (n_rows, n_features).

        Several threads may call it at the same time.
        """
        if not len(features):
            nothing = np.empty((0, len(self.class_values)), dtype=np.float32)
            return Predictions(nothing, self.class_values, self.decision)

        probabilities: Floats = self.booster.inplace_predict(
            features, validate_features=False
        )
        estimate: Floats | None = None
        if self.regression is not None:
            stars = self.regression.inplace_predict(features, validate_features=False)
            estimate = stars.reshape(-1)
        return Predictions(probabilities, self.class_values, self.decision, estimate)

    def knows_user(self, user_id: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each user has ratings in the training rows, bool (n_rows,)."""
        return self.spec.users.index(user_id) >= 0

    def movie_index(self, movie_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of each movie in `movies`, int64 (n_rows,).

        -1 for a movie that the catalogue doesn't list.
        """
        return self.spec.movie_index.index(movie_id)
