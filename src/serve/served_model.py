"""The model as a server holds it, loaded and proved.

Its trees are in the flat form if that proves equal to XGBoost, otherwise they are
XGBoost's own. For a row of a thousand trees XGBoost takes half a millisecond and the
flat form 10 µs. Importing XGBoost takes a second.
"""

from __future__ import annotations

import logging
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
from serve.candidates import Candidates
from serve.forest import CUT_ROWS, FlatForest

if TYPE_CHECKING:
    import xgboost

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

# Another machine's mathematical library may round differently, and then a value may be
# on the other side of a split.
_TOLERANCE = 1e-3
_DISTINCT_ROWS = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that the model must always answer in the same way.

    Attributes:
        queries: one row.
        probabilities: float32 (1, n_classes), the answer when the model was loaded.
    """

    queries: RatingQueries
    probabilities: Floats


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class ServedModel:
    """A model that passed its self-test.

    Attributes:
        model: makes the predictions.
        artifact: the files that it was read from.
        candidates: the movies that recommendations are chosen from.
        probe: for `is_well`.
    """

    model: Model
    artifact: artifact.Artifact
    candidates: Candidates
    probe: Probe
    # Empty until `xgboost` is called.
    _boosters: list[tuple[xgboost.Booster, xgboost.Booster | None]] = field(
        default_factory=list
    )

    def is_well(self) -> bool:
        """Whether the model still answers as it did when it was loaded.

        Takes as long as a request of one row.
        """
        found = self.model.predict(self.probe.queries).probabilities
        return np.array_equal(found, self.probe.probabilities)

    def xgboost(self) -> tuple[xgboost.Booster, xgboost.Booster | None]:
        """XGBoost's own booster, and that of the regression if there is one.

        They are read on the first call, which takes a second or two.
        """
        if not self._boosters:
            own = (self.artifact.booster(), self.artifact.regression())
            self._boosters.append(own)
        return self._boosters[0]


def load(model_dir: Path, below: Path | None = None) -> ServedModel:
    """Read an artifact and put the model to its self-test.

    Args:
        model_dir: the directory.
        below: as of `movielens.artifact.read`.

    Raises:
        ArtifactError: if the artifact is absent or damaged, or if the model doesn't
            answer as it did in training.
    """
    read = artifact.read(model_dir, below)
    test = read.self_test
    booster = _proved_forest(read.forest, test.features, test.margins)
    regression: FlatForest | None = None
    if test.has_regression:
        flat = read.regression_forest
        regression = _proved_forest(flat, test.features, test.stars)
    model = Model(
        read.spec,
        booster or read.booster(),
        read.decision,
        regression or read.regression(),
    )
    _check_answers(model, read)

    first = test.queries.take(np.array([0]))
    probe = Probe(first, model.predict(first).probabilities)
    return ServedModel(model, read, Candidates.of(model), probe)


def _proved_forest(
    flat: bytes | None, features: Floats, margins: Floats
) -> FlatForest | None:
    """The trees of a flat form, or None if they don't give these margins.

    Args:
        flat: the flat form, None if the artifact has none.
        features: float32 (n_rows, n_features), the rows of the self-test.
        margins: float32 (n_rows, n_groups), XGBoost's sums of leaves for these rows.
    """
    try:
        if flat is None:
            raise ValueError("the trees have no flat form")
        forest = FlatForest(flat)
        _check_margins(forest, features, margins)
    except (ImportError, ValueError) as error:
        _log.warning("predicting with XGBoost itself, which is slower: %s", error)
        return None
    return forest


def _check_margins(forest: FlatForest, features: Floats, margins: Floats) -> None:
    """Compare the flat form with XGBoost, bit for bit.

    The rows are asked twice: once as they are, and then the first few of them repeated
    so often that the trees are cut down to these rows.

    Raises:
        ValueError: if they differ.
    """
    repeated = np.arange(CUT_ROWS) % _DISTINCT_ROWS
    as_they_are = forest.inplace_predict(features, predict_type="margin")
    cut_down = forest.inplace_predict(features[repeated], predict_type="margin")
    found = np.concatenate([as_they_are, cut_down])
    expected = np.concatenate([margins, margins[repeated]])
    if found.shape != expected.shape:
        raise ValueError(
            f"the flat form's margins are {found.shape}, XGBoost's {expected.shape}"
        )
    differs = found.view(np.uint32) != expected.view(np.uint32)
    n_rows = int(differs.any(axis=1).sum())
    if n_rows:
        raise ValueError(
            f"the flat form differs from XGBoost in {n_rows} of {len(found)} rows "
            "of the self-test"
        )


def _check_answers(model: Model, read: artifact.Artifact) -> None:
    """Compare the model's answers with those that it gave in training.

    Raises:
        ArtifactError: if they differ by more than the tolerance.
    """
    test = read.self_test
    estimate = test.stars[: len(test.queries), 0] if test.has_regression else None
    expected = Predictions(test.probabilities, model.class_values, estimate=estimate)
    found = model.predict(test.queries)
    _check_difference(
        read, "probabilities", found.probabilities - expected.probabilities
    )
    _check_difference(
        read, "expected ratings", found.expected_rating - expected.expected_rating
    )


def _check_difference(
    read: artifact.Artifact, name: str, difference: NDArray[np.floating]
) -> None:
    # np.median would import numpy.ma, which takes longer than the test.
    median = np.sort(np.abs(difference), axis=None)[difference.size // 2]
    if not median <= _TOLERANCE:
        raise ArtifactError(
            f"{read.model_dir}: the self-test's {name} are {median:.3f} away from "
            "those of training; train again with this image"
        )
