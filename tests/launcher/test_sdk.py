"""Frames in, frames out, asked of the server's own code.

`make test-sdk` runs all of it with AWS's SDK: the notebook in ``examples``.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from launcher import sdk
from launcher.errors import ConfigError, LauncherError
from movielens import artifact
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable
from serve.endpoint import answer
from serve.errors import error_body
from serve.negotiation import RequestHeaders
from serve.served_model import ServedModel, load
from tests.examples import EVALUATION


class Endpoint:
    """An endpoint's client over the server's own code, without a network."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self.n_requests = 0

    def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
        self.n_requests += 1
        assert asked["EndpointName"] == "halfstar"
        headers = {
            b"content-type": asked["ContentType"].encode(),
            b"accept": asked["Accept"].encode(),
        }
        try:
            response = answer(self._served, RequestHeaders.of(headers), asked["Body"])
            body = response.measured().body
        except Exception as error:  # noqa: BLE001 as the server makes its refusals
            body = error_body(400, str(error))
        return {"Body": io.BytesIO(body)}


@pytest.fixture(scope="module")
def model_dir(
    ratings: RatingTable, movies: MovieTable, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    spec = FeatureSpec.fit(ratings, movies)
    scale = RatingScale.of(ratings.rating)
    matrix = xgboost.DMatrix(
        spec.transform(ratings.queries()).values,
        scale.to_class(ratings.rating),
        feature_names=list(spec.names),
    )
    n_classes = len(scale.class_values)
    params = {"objective": "multi:softprob", "num_class": n_classes, "nthread": 1}
    directory = tmp_path_factory.mktemp("model")
    artifact.save(Model(spec, xgboost.train(params, matrix, 2)), EVALUATION, directory)
    return directory


@pytest.fixture(scope="module")
def endpoint(model_dir: Path) -> Endpoint:
    return Endpoint(load(model_dir))


@pytest.fixture(scope="module")
def predictor(endpoint: Endpoint) -> sdk.Predictor:
    return sdk.Predictor("halfstar", endpoint)


def test_pairs_become_a_frame(predictor: sdk.Predictor, movies: MovieTable) -> None:
    first, second = movies.movie_id[:2].tolist()
    found = predictor.predict([(1, first), (10**9, second)])
    assert found["movieId"].tolist() == [first, second]
    assert found["title"].tolist() == list(movies.title[:2])
    assert found["known_user"].tolist() == [True, False]
    probabilities = found.filter(like=sdk.PROBABILITY)
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_frame_is_asked_with_its_times(
    predictor: sdk.Predictor, movies: MovieTable
) -> None:
    movie = int(movies.movie_id[5])
    frame = pd.DataFrame(
        {
            "userId": [1, 1],
            "movieId": [movie, movie],
            "timestamp": [1.2e9, np.nan],
            "rating": [5, 5],
        }
    )
    found = predictor.predict(frame)
    untimed = predictor.predict([(1, movie)])
    assert found.iloc[1].equals(untimed.iloc[0])
    assert predictor.predict(frame[:1]).iloc[0].equals(found.iloc[0])


def test_long_frames_are_asked_in_several_requests(
    predictor: sdk.Predictor, endpoint: Endpoint, movies: MovieTable
) -> None:
    movie = int(movies.movie_id[0])
    before = endpoint.n_requests
    n_pairs = 2 * sdk.ROWS_A_REQUEST + 1
    found = predictor.predict([(user, movie) for user in range(n_pairs)])
    assert found["userId"].tolist() == list(range(n_pairs))
    assert endpoint.n_requests - before == 3


def test_somebody_is_known_by_a_history(
    predictor: sdk.Predictor, movies: MovieTable
) -> None:
    liked, asked = movies.movie_id[5:7].tolist()
    pairs = predictor.predict_with_history([asked], [(liked, 5)])
    frame = pd.DataFrame({"movieId": [liked], "rating": [5.0]})
    assert pairs.equals(predictor.predict_with_history([asked], frame))
    assert pairs["known_user"].tolist() == [True]


def test_recommendations_are_a_frame_of_all_users(predictor: sdk.Predictor) -> None:
    found = predictor.recommend([1, 10**9], n=2)
    assert found["userId"].tolist() == [1, 1, 10**9, 10**9]
    best = found.groupby("userId")["expected_rating"]
    assert (best.diff().dropna() <= 0).all()
    assert predictor.recommend(1, n=2).equals(found[:2])
    dramas = predictor.recommend(1, genres=["Drama"])
    assert all("Drama" in genres for genres in dramas["genres"])


def test_a_history_recommends_other_movies(
    predictor: sdk.Predictor, movies: MovieTable
) -> None:
    liked = int(movies.movie_id[5])
    found = predictor.recommend(history=[(liked, 5)], n=100)
    assert liked not in found["movieId"].tolist()
    assert len(found) == len(movies) - 1


def test_movies_to_rate_are_a_frame_that_goes_on_from_a_history(
    predictor: sdk.Predictor,
) -> None:
    found = predictor.onboarding(3)
    assert len(found) == 3
    first = int(found["movieId"][0])
    after = predictor.onboarding(100, history=[(first, 4)])
    assert first not in after["movieId"].tolist()
    assert set(found["movieId"][1:]) <= set(after["movieId"])
    nothing = predictor.onboarding(3, year_from=9999)
    assert nothing.columns.tolist() == found.columns.tolist()
    assert len(nothing) == 0
    assert first not in predictor.onboarding(100, user_id=1)["movieId"].tolist()


def test_a_refusal_is_an_error_with_its_reason(predictor: sdk.Predictor) -> None:
    with pytest.raises(LauncherError, match=r"line 1: movieId is 0\.5"):
        predictor.predict([(1, 0.5)])  # type: ignore[list-item]


def test_a_frame_without_a_column_is_refused(predictor: sdk.Predictor) -> None:
    with pytest.raises(LauncherError, match="no column movieId"):
        predictor.predict(pd.DataFrame({"userId": [1]}))


def test_the_evaluation_of_a_model_is_read(model_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as files:
        for path in model_dir.iterdir():
            files.add(path, path.name)
    assert sdk.read_evaluation(str(archive)) == EVALUATION
    assert sdk.read_evaluation(archive.as_uri()) == EVALUATION


def test_a_model_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.tar.gz"
    with tarfile.open(empty, "w:gz"):
        pass
    with pytest.raises(LauncherError, match=r"has no evaluation\.json"):
        sdk.read_evaluation(str(empty))


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="can't be read"):
        sdk.read_evaluation(str(tmp_path / "model.tar.gz"))


def test_an_evaluation_becomes_frames() -> None:
    found = sdk.distances(EVALUATION)
    assert list(found.index) == ["train", "test", "user_mean"]
    assert np.allclose(found[["0", "1", "2", "more"]].sum(axis=1), 1)
    counts = sdk.confusion(EVALUATION.train)
    assert [*counts.columns] == EVALUATION.train.class_values


def test_without_the_sdk_an_error_says_how_to_install_it() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'halfstar\[sdk\]'"):
        sdk.estimator("halfstar", session=None)
