"""Fits the weights of `movielens.features.blend` by least squares.

The rows are the training rows of the tutorial's split, and their features are out of
fold: no test row and no row's own rating has an influence.
"""

from __future__ import annotations

import numpy as np

from benchmarks.data import read_data, split_data
from movielens.features import FeatureSpec
from movielens.features.blend import BLENDS
from train.hyperparameters import Hyperparameters


def main() -> None:
    """Print each blend's fitted weights beside the rounded ones in use."""
    data = read_data()
    train = split_data(data, Hyperparameters(split="tutorial")).train
    spec = FeatureSpec.fit(train, data.movies)
    features = spec.transform_fitted(train)

    stars = train.rating.astype(np.float64)
    constant = np.ones(len(train))
    for column, terms in BLENDS:
        # Its terms alone don't add up to stars. Its weights are those of `blend`.
        if column.name == "blend_mood":
            continue
        print(column.name)
        columns = [features.names.index(name) for name in terms]
        values = np.nan_to_num(features.values[:, columns])
        design = np.column_stack([values.astype(np.float64), constant])
        weights, *_ = np.linalg.lstsq(design, stars)
        # The constant has no name.
        for name, fitted in zip(terms, weights, strict=False):
            print(f"  {name:28s} fitted {fitted:6.3f}  in use {terms[name]:6.3f}")


if __name__ == "__main__":
    main()
