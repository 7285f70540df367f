from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.neighbours import Neighbours
from movielens.features.training_rows import TrainingRows
from movielens.tables import RatingTable
from tests.movielens.features.asking import ROW, features_of, user_index_of


def test_neighbours_say_what_the_user_thought_of_similar_movies(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    neighbours = Neighbours.fit(training)
    rows = np.flatnonzero(training.user_index == user_index_of(ratings))
    residual = dict(
        zip(
            training.movie_index[rows].tolist(),
            training.residual[rows].tolist(),
            strict=True,
        )
    )
    movie = training.catalogue.index.index(ratings.movie_id[[ROW]])[0]
    start, end = neighbours.start[movie : movie + 2]
    weight = 0.0
    total = 0.0
    for place in range(start, end):
        neighbour = int(neighbours.neighbour[place])
        if neighbour in residual:
            weight += neighbours.similarity[place]
            total += neighbours.similarity[place] * residual[neighbour]

    features = features_of(spec, ratings)
    assert weight > 0
    assert features["neighbours_weight"] == pytest.approx(weight)
    expected = total / (weight + 0.3)
    assert features["neighbours_residual"] == pytest.approx(expected, abs=1e-6)


def test_neighbours_go_from_the_most_similar_to_the_least(
    training: TrainingRows,
) -> None:
    neighbours = Neighbours.fit(training)
    for movie in range(training.n_movies):
        start, end = neighbours.start[movie : movie + 2]
        assert np.all(np.diff(neighbours.similarity[start:end]) <= 0)
        assert movie not in neighbours.neighbour[start:end]


def test_a_sample_is_compared_if_there_are_many_pairs(training: TrainingRows) -> None:
    n_pairs = int((training.per_user() ** 2).sum())
    whole = Neighbours.fit(training)
    sampled = Neighbours.fit(training, most_pairs=n_pairs // 4)
    assert len(sampled.neighbour) < len(whole.neighbour)
