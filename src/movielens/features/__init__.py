"""Features: the fitted recipe, its groups, and the matrix that comes of them."""

from movielens.features.matrix import FeatureMatrix, IdIndex
from movielens.features.parts import Column, Part
from movielens.features.spec import FeatureSpec

__all__ = ["Column", "FeatureMatrix", "FeatureSpec", "IdIndex", "Part"]
