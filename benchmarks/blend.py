"""The weights of `movielens.features.blend`, by least squares on the training rows of
the reference split.

The features are out of fold, so no test row and no row's own rating has a say in them.
"""

from __future__ import annotations

import numpy as np

from benchmarks.results import ROOT
from movielens.channel import Channel
from movielens.features import FeatureSpec
from movielens.features.blend import BLENDS
from movielens.readers import read_dataset
from train.split import split_ratings


def main() -> None:
    """Print each blend's fitted weights beside the rounded ones in use."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    train = split_ratings(data.ratings, "tutorial", 0.3, 0).train
    features = FeatureSpec.fit(train, data.movies).transform_fitted(train)
    terms = next(weights for column, weights in BLENDS if column.name == "blend")
    columns = [features.names.index(name) for name in terms]
    design = np.column_stack(
        [np.nan_to_num(features.values[:, columns]), np.ones(len(train))]
    ).astype(np.float64)
    weights, *_ = np.linalg.lstsq(design, train.rating.astype(np.float64))
    for name, fitted in zip(terms, weights, strict=False):
        print(f"{name:28s} fitted {fitted:6.3f}  in use {terms[name]:6.3f}")


if __name__ == "__main__":
    main()
