"""A recommender beside ours, in a process of its own.

``python recommenders.py NAME ROWS ANSWERS``. It imports nothing of ours, because
Surprise needs another numpy.

ROWS is an npz file:

- ``train`` and ``test``: int64 (n_rows, 4) of user, movie, time and class;
- ``content``: float64 (n_movies, n_columns) of genre flags, then year;
- ``stars``: float64 (n_classes,), those of each class.

ANSWERS, an npz file too, gets ``expected``, float64 (n_test,), in stars, or
``probabilities``, float64 (n_test, n_classes).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Rows = dict[str, Any]
Answers = dict[str, Any]
Recommender = Callable[[Rows], Answers]

YEARS_A_SPAN = 5


def surprise_recommender(name: str, **settings: Any) -> Recommender:
    """An algorithm of Surprise."""

    def recommend(rows: Rows) -> Answers:
        import pandas as pd
        import surprise

        stars = rows["stars"]
        user, movie, _, class_index = rows["train"].T
        frame = pd.DataFrame(
            {"user": user, "movie": movie, "stars": stars[class_index]}
        )
        reader = surprise.Reader(rating_scale=(stars[0], stars[-1]))
        data = surprise.Dataset.load_from_df(frame, reader)

        algorithm = getattr(surprise, name)(**settings)
        algorithm.fit(data.build_full_trainset())
        expected = []
        for user_index, movie_index in rows["test"][:, :2]:
            expected.append(algorithm.predict(user_index, movie_index).est)
        return {"expected": expected}

    return recommend


def _frame(rows: Rows, part: str) -> Any:
    """A data frame of ids as categories, time, genres and year."""
    import pandas as pd

    user, movie, seconds, _ = rows[part].T
    known_users = np.unique(rows["train"][:, 0])
    movies = np.unique(np.concatenate([rows["train"][:, 1], rows["test"][:, 1]]))
    columns = {
        "user": pd.Categorical(user, known_users),
        "movie": pd.Categorical(movie, movies),
        "time": seconds,
    }
    for place, column in enumerate(rows["content"][movie].T):
        columns[f"content_{place}"] = column
    return pd.DataFrame(columns)


def lightgbm_recommender(rows: Rows) -> Answers:
    """LightGBM with ids as categories and a class for each value of stars."""
    import lightgbm

    settings = {
        "objective": "multiclass",
        "num_class": len(rows["stars"]),
        "learning_rate": 0.05,
        "num_leaves": 31,
        "cat_smooth": 20,
        "cat_l2": 20,
        "feature_fraction": 0.8,
        "min_data_in_leaf": 30,
        "verbosity": -1,
        "num_threads": 1,
        "seed": 1,
        "deterministic": True,
    }
    train = lightgbm.Dataset(_frame(rows, "train"), rows["train"][:, 3])
    booster = lightgbm.train(settings, train, 120)
    return {"probabilities": booster.predict(_frame(rows, "test"))}


def catboost_classes(n_rounds: int, learning_rate: float) -> Recommender:
    """CatBoost with a class for each value of stars."""

    def recommend(rows: Rows) -> Answers:
        import catboost

        settings = _catboost_settings("MultiClass", n_rounds, learning_rate)
        model = catboost.CatBoostClassifier(**settings)
        model.fit(_catboost_frame(rows, "train"), rows["train"][:, 3])

        # A class that training lacks gets no probability.
        probabilities = np.zeros((len(rows["test"]), len(rows["stars"])))
        columns = model.classes_.astype(int)
        test = _catboost_frame(rows, "test")
        probabilities[:, columns] = model.predict_proba(test)
        return {"probabilities": probabilities}

    return recommend


def catboost_stars(n_rounds: int, learning_rate: float) -> Recommender:
    """CatBoost as a regression of stars."""

    def recommend(rows: Rows) -> Answers:
        import catboost

        settings = _catboost_settings("RMSE", n_rounds, learning_rate)
        model = catboost.CatBoostRegressor(**settings)
        stars = rows["stars"][rows["train"][:, 3]]
        model.fit(_catboost_frame(rows, "train"), stars)
        return {"expected": model.predict(_catboost_frame(rows, "test"))}

    return recommend


def _catboost_settings(
    loss: str, n_rounds: int, learning_rate: float
) -> dict[str, Any]:
    return {
        "loss_function": loss,
        "cat_features": ["user", "movie"],
        "iterations": n_rounds,
        "learning_rate": learning_rate,
        "depth": 6,
        "thread_count": 1,
        "random_seed": 1,
        "verbose": 0,
        "allow_writing_files": False,
    }


def _catboost_frame(rows: Rows, part: str) -> Any:
    """Ids as text, of which CatBoost makes ordered target statistics."""
    frame = _frame(rows, part)
    ids = frame[["user", "movie"]].astype(object).fillna(0)
    frame[["user", "movie"]] = ids.astype(int).astype(str)
    return frame


def myfm_stars(rows: Rows) -> Answers:
    """A Bayesian factorization machine as a regression of stars."""
    import myfm

    class_index = rows["train"][:, 3]
    stars = rows["stars"][class_index]
    train = _design(rows, "train")
    test = _design(rows, "test")
    model = myfm.MyFMRegressor(rank=8, random_seed=1)
    model.fit(train, stars, **_draws(rows))
    return {"expected": model.predict(test)}


def myfm_classes(rows: Rows) -> Answers:
    """A Bayesian factorization machine with an ordered probit of the classes."""
    import myfm

    class_index = rows["train"][:, 3]
    train = _design(rows, "train")
    test = _design(rows, "test")
    model = myfm.MyFMOrderedProbit(rank=8, random_seed=1)
    model.fit(train, class_index, **_draws(rows))
    return {"probabilities": model.predict_proba(test)}


def _design(rows: Rows, part: str) -> Any:
    """A sparse matrix of user, movie, genres and the five years of the movie.

    An unknown user has no column.
    """
    from scipy import sparse

    user, movie, *_ = rows[part].T
    n_users, n_movies, _, n_spans = _group_sizes(rows)
    row = np.arange(len(user))

    is_known = user < n_users
    known_user = np.where(is_known, user, 0)
    users = sparse.csr_matrix(
        (is_known.astype(float), (row, known_user)), (len(user), n_users)
    )
    movies = sparse.csr_matrix(
        (np.ones(len(user)), (row, movie)), (len(user), n_movies)
    )
    genres = sparse.csr_matrix(np.nan_to_num(rows["content"][:, :-1]))
    span = _span_of_years(rows)
    spans = sparse.csr_matrix(
        (np.ones(n_movies), (np.arange(n_movies), span)), (n_movies, n_spans)
    )
    return sparse.hstack([users, movies, genres[movie], spans[movie]], format="csr")


def _draws(rows: Rows) -> dict[str, Any]:
    """How many samples are drawn, and which columns share a prior."""
    return {
        "n_iter": 100,
        "n_kept_samples": 85,
        "group_shapes": list(_group_sizes(rows)),
    }


def _group_sizes(rows: Rows) -> tuple[int, int, int, int]:
    """How many columns there are for users, movies, genres and spans of years."""
    last_user = rows["train"][:, 0].max()
    last_span = _span_of_years(rows).max()
    n_movies, n_columns = rows["content"].shape
    n_genres = n_columns - 1  # the last column is the year
    return int(last_user) + 1, n_movies, n_genres, int(last_span) + 1


def _span_of_years(rows: Rows) -> Any:
    """The number of each movie's span of years; a span without movies has no number."""
    years = np.nan_to_num(rows["content"][:, -1]).astype(int)
    _, span = np.unique(years // YEARS_A_SPAN, return_inverse=True)
    return span


RECOMMENDERS: dict[str, Recommender] = {
    "Surprise BaselineOnly": surprise_recommender("BaselineOnly", verbose=False),
    "Surprise SVD": surprise_recommender(
        "SVD", n_factors=50, n_epochs=30, lr_all=0.005, reg_all=0.06, random_state=1
    ),
    "Surprise SVD++": surprise_recommender(
        "SVDpp", n_factors=20, n_epochs=20, lr_all=0.007, reg_all=0.06, random_state=1
    ),
    "Surprise KNNBaseline": surprise_recommender(
        "KNNBaseline",
        sim_options={"name": "pearson_baseline", "user_based": False},
        verbose=False,
    ),
    "LightGBM": lightgbm_recommender,
    "CatBoost MultiClass": catboost_classes(400, 0.1),
    "CatBoost RMSE": catboost_stars(1_000, 0.06),
    "myfm regression": myfm_stars,
    "myfm ordered probit": myfm_classes,
}


if __name__ == "__main__":
    name, rows_path, answers_path = sys.argv[1:]
    with np.load(rows_path) as rows:
        np.savez(answers_path, **RECOMMENDERS[name](dict(rows)))
