from __future__ import annotations

import numpy as np

from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable


def test_a_row_alone_is_predicted_as_among_many(
    model_with_regression: Model, ratings: RatingTable
) -> None:
    model = model_with_regression
    together = model.predict(ratings.queries())
    for row in range(0, len(ratings), 7):
        alone = model.predict(ratings.take(np.array([row])).queries())
        np.testing.assert_array_equal(
            alone.probabilities[0], together.probabilities[row]
        )
        assert alone.expected_rating[0] == together.expected_rating[row]


def test_predictions_are_distributions_on_the_scale(
    small_model: Model, ratings: RatingTable
) -> None:
    predictions = small_model.predict(ratings.queries())
    probabilities = predictions.probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)

    means = probabilities @ np.array(small_model.class_values)
    np.testing.assert_allclose(predictions.expected_rating, means, atol=1e-6)

    most_likely = (probabilities.argmax(axis=1) + 1) / 2
    np.testing.assert_array_equal(predictions.rating, most_likely)


def test_features_are_predicted_as_their_rows_are(
    model_with_regression: Model, ratings: RatingTable
) -> None:
    model = model_with_regression
    queries = ratings.queries()
    from_rows = model.predict(queries)
    from_features = model.predict_features(model.spec.transform(queries).values)
    np.testing.assert_array_equal(
        from_features.expected_rating, from_rows.expected_rating
    )


def test_no_rows_are_predicted_as_no_rows(model_with_regression: Model) -> None:
    predictions = model_with_regression.predict(RatingQueries.none())
    assert predictions.n_rows == 0
    assert predictions.expected_rating.tolist() == []


def test_known_and_unknown_ids_are_told_apart(
    small_model: Model, movies: MovieTable
) -> None:
    users = np.array([1, 2, -1])
    assert small_model.knows_user(users).tolist() == [True, False, False]
    listed_and_not = np.array([movies.movie_id[3], 10**12])
    assert small_model.movie_index(listed_and_not).tolist() == [3, -1]
