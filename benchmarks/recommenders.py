"""One recommender beside ours, in a process of its own: ``python recommenders.py NAME
ROWS ANSWERS``.

It imports nothing of ours, since Surprise needs another numpy. ROWS is an npz:
    ``train`` and ``test``, int64 (n, 4) of
user, movie, time and class; ``content``, float64 (n, n_columns) of genre flags and
year, by movie; ``stars`` of the classes. ANSWERS, an npz too, gets ``expected``,
float64 (n_test,), in stars, or ``probabilities``, (n_test, n_classes), or both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Rows = dict[str, Any]
Answers = dict[str, Any]


def surprise_of(name: str, **settings: Any) -> Callable[[Rows], Answers]:
    """An algorithm of Surprise."""

    def fit(rows: Rows) -> Answers:
        import pandas as pd
        import surprise

        stars, (train, test) = rows["stars"], (rows["train"], rows["test"])
        frame = pd.DataFrame(
            {"user": train[:, 0], "movie": train[:, 1], "stars": stars[train[:, 3]]}
        )
        data = surprise.Dataset.load_from_df(
            frame, surprise.Reader(rating_scale=(stars[0], stars[-1]))
        )
        algorithm = getattr(surprise, name)(**settings)
        algorithm.fit(data.build_full_trainset())
        return {
            "expected": [
                algorithm.predict(user, movie).est for user, movie in test[:, :2]
            ]
        }

    return fit


def _frame(rows: Rows, part: str) -> Any:
    """Ids as categories, time, genres and year."""
    import pandas as pd

    user, movie, time, _ = rows[part].T
    ids = {
        "user": pd.Categorical(user, np.unique(rows["train"][:, 0])),
        "movie": pd.Categorical(movie),
    }
    known = np.unique(np.concatenate([rows["train"][:, 1], rows["test"][:, 1]]))
    ids["movie"] = pd.Categorical(movie, known)
    content = {
        f"content_{k}": column for k, column in enumerate(rows["content"][movie].T)
    }
    return pd.DataFrame({**ids, "time": time, **content})


def lightgbm(rows: Rows) -> Answers:
    """Ids as categories, one class for each half star."""
    import lightgbm as lgb

    settings = {
        **{
            "objective": "multiclass",
            "num_class": len(rows["stars"]),
            "learning_rate": 0.05,
            "num_leaves": 31,
        },
        **{
            "cat_smooth": 20,
            "cat_l2": 20,
            "feature_fraction": 0.8,
            "min_data_in_leaf": 30,
            "verbosity": -1,
        },
        **{"num_threads": 1, "seed": 1, "deterministic": True},
    }
    trees = lgb.train(
        settings, lgb.Dataset(_frame(rows, "train"), rows["train"][:, 3]), 120
    )
    return {"probabilities": trees.predict(_frame(rows, "test"))}


def catboost_of(loss: str, rounds: int, rate: float) -> Callable[[Rows], Answers]:
    """Ids as categories, which CatBoost turns into ordered target statistics."""

    def fit(rows: Rows) -> Answers:
        import catboost

        parts = [_frame(rows, part) for part in ("train", "test")]
        for part in parts:
            part[["user", "movie"]] = (
                part[["user", "movie"]].astype(object).fillna(0).astype(int).astype(str)
            )
        classes = rows["train"][:, 3]
        settings = {
            "iterations": rounds,
            "learning_rate": rate,
            "depth": 6,
            "thread_count": 1,
            "random_seed": 1,
        }
        several = loss == "MultiClass"
        model = (
            catboost.CatBoostClassifier if several else catboost.CatBoostRegressor
        )(
            loss_function=loss,
            cat_features=["user", "movie"],
            verbose=0,
            allow_writing_files=False,
            **settings,
        )
        model.fit(parts[0], classes if several else rows["stars"][classes])
        if not several:
            return {"expected": model.predict(parts[1])}
        probabilities = np.zeros((len(parts[1]), len(rows["stars"])))
        probabilities[:, model.classes_.astype(int)] = model.predict_proba(parts[1])
        return {"probabilities": probabilities}

    return fit


def myfm_of(kind: str) -> Callable[[Rows], Answers]:
    """A Bayesian factorization machine of user, movie, genres and five years' span."""

    def fit(rows: Rows) -> Answers:
        import myfm
        from scipy import sparse

        n_users, n_movies = int(rows["train"][:, 0].max()) + 1, len(rows["content"])
        span = np.nan_to_num(rows["content"][:, -1]).astype(int) // 5
        _, span = np.unique(span, return_inverse=True)
        genres = sparse.csr_matrix(np.nan_to_num(rows["content"][:, :-1]))
        spans = sparse.csr_matrix((np.ones(n_movies), (np.arange(n_movies), span)))

        def design(part: str) -> Any:
            user, movie = rows[part][:, 0], rows[part][:, 1]
            at, known = np.arange(len(user)), user < n_users
            users = sparse.csr_matrix(
                (known.astype(float), (at, np.where(known, user, 0))),
                (len(user), n_users),
            )
            movies = sparse.csr_matrix(
                (np.ones(len(user)), (at, movie)), (len(user), n_movies)
            )
            return sparse.hstack(
                [users, movies, genres[movie], spans[movie]], format="csr"
            )

        train, test = design("train"), design("test")
        sizes = [n_users, n_movies, genres.shape[1], spans.shape[1]]
        draws = {"n_iter": 100, "n_kept_samples": 85, "group_shapes": sizes}
        classes = rows["train"][:, 3]
        if kind == "regression":
            model = myfm.MyFMRegressor(rank=8, random_seed=1).fit(
                train, rows["stars"][classes], **draws
            )
            return {"expected": model.predict(test)}
        ordered = myfm.MyFMOrderedProbit(rank=8, random_seed=1).fit(
            train, classes, **draws
        )
        return {"probabilities": ordered.predict_proba(test)}

    return fit


RECOMMENDERS: dict[str, Callable[[Rows], Answers]] = {
    "Surprise BaselineOnly": surprise_of("BaselineOnly", verbose=False),
    "Surprise SVD": surprise_of(
        "SVD", n_factors=50, n_epochs=30, lr_all=0.005, reg_all=0.06, random_state=1
    ),
    "Surprise SVD++": surprise_of(
        "SVDpp", n_factors=20, n_epochs=20, lr_all=0.007, reg_all=0.06, random_state=1
    ),
    "Surprise KNNBaseline": surprise_of(
        "KNNBaseline",
        sim_options={"name": "pearson_baseline", "user_based": False},
        verbose=False,
    ),
    "LightGBM": lightgbm,
    "CatBoost MultiClass": catboost_of("MultiClass", 400, 0.1),
    "CatBoost RMSE": catboost_of("RMSE", 1_000, 0.06),
    "myfm regression": myfm_of("regression"),
    "myfm ordered probit": myfm_of("ordered probit"),
}


if __name__ == "__main__":
    name, rows_path, answers_path = sys.argv[1:]
    with np.load(rows_path) as rows:
        np.savez(answers_path, **RECOMMENDERS[name](dict(rows)))
