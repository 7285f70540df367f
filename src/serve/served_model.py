"""The model as the server holds it: its trees in the flat form where that proves equal
to XGBoost, else XGBoost itself.

XGBoost takes half a millisecond for a row of a thousand trees and a second to be
imported, the flat form 10 µs and nothing.
"""

from __future__ import annotations

import logging
import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from serve.forest import CUT_ROWS, FlatForest
from serve.recommendations import Candidates

if TYPE_CHECKING:
    import xgboost

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

# Another machine's mathematical library may round otherwise, and a value then lie on
# the other side of a split.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that passed its self-test.

    Attributes:
        model: what predicts.
        artifact: where it came from.
        candidates: for recommendations.
        probe: one row of the self-test and what it came to at the start, for `is_well`.
    """

    model: Model
    artifact: artifact.Artifact
    candidates: Candidates
    probe: tuple[RatingQueries, NDArray[np.float32]]
    _own: list[tuple[xgboost.Booster, xgboost.Booster | None]] = field(
        default_factory=list
    )

    def is_well(self) -> bool:
        """Whether the model still answers a question as it did at the start; takes as
        long as a request of one row.
        """
        queries, expected = self.probe
        return np.array_equal(self.model.predict(queries).probabilities, expected)

    def xgboost(self) -> tuple[xgboost.Booster, xgboost.Booster | None]:
        """XGBoost's own booster, and the regression's, read when first asked for, which
        takes a second or two.
        """
        if not self._own:
            self._own.append((self.artifact.booster(), self.artifact.regression()))
        return self._own[0]


def load(model_dir: Path) -> ServedModel:
    """Read the artifact and put it to its test.

    Raises:
        ArtifactError: if it is absent or damaged, or if its answers aren't those of
            training.
    """
    read = artifact.read(model_dir)
    test = read.self_test
    booster = _proved(read.forest, test.features, test.margins) or read.booster()
    regression = (
        _proved(read.regression_forest, test.features, test.stars)
        if test.has_regression
        else None
    )
    model = Model(read.spec, booster, read.decision, regression or read.regression())
    _check(model, read)
    queries = read.self_test.queries.take(np.array([0]))
    return ServedModel(
        model,
        read,
        Candidates.of(model),
        (queries, model.predict(queries).probabilities),
    )


def _proved(
    flat: mmap.mmap | None, features: Floats, margins: Floats
) -> FlatForest | None:
    """The trees of a flat form that has these margins, float32 (n_rows, n_groups), for
    these features, or None.
    """
    try:
        if flat is None:
            raise ValueError("the trees have no flat form")
        forest = FlatForest(flat)
        if fault := _difference(forest, features, margins):
            raise ValueError(fault)
    except (ImportError, ValueError) as error:
        _log.warning("predicting with XGBoost itself, which is slower: %s", error)
        return None
    return forest


def _difference(forest: FlatForest, features: Floats, margins: Floats) -> str:
    """What tells the flat form from XGBoost, bit for bit, or nothing.

    The rows are asked as they are, and then the first few so often that trees are cut
    down to them.
    """
    few = np.arange(CUT_ROWS) % 4
    answers = [
        forest.inplace_predict(rows, predict_type="margin")
        for rows in (features, features[few])
    ]
    found, expected = np.concatenate(answers), np.concatenate([margins, margins[few]])
    if found.shape != expected.shape:
        return f"the flat form answers {found.shape}, XGBoost {expected.shape}"
    n_rows = int(
        np.any(found.view(np.uint32) != expected.view(np.uint32), axis=1).sum()
    )
    return (
        f"the flat form differs from XGBoost in {n_rows} of {len(found)} rows of the self-test"
        if n_rows
        else ""
    )


def _check(model: Model, read: artifact.Artifact) -> None:
    test = read.self_test
    estimate = test.stars[: len(test.queries), 0] if test.has_regression else None
    expected = Predictions(test.probabilities, model.class_values, estimate=estimate)
    found = model.predict(test.queries)
    for name, ours, theirs in (
        ("probabilities", found.probabilities, expected.probabilities),
        ("expected ratings", found.expected_rating, expected.expected_rating),
    ):
        # np.median would import numpy.ma, which takes longer than the test.
        apart = np.sort(np.abs(ours - theirs), axis=None)[ours.size // 2]
        if not apart <= _TOLERANCE:
            raise ArtifactError(
                f"{read.model_dir}: the self-test's {name} are {apart:.3f} away from those of training: train again "
                "with this image"
            )
