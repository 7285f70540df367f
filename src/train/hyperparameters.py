"""Hyperparameters: one field each, parsed once, all faults reported together.

SageMaker hands over a flat JSON object of strings. SDKs may encode a value as JSON
first, so ``"5"`` and ``"\\"5\\""`` mean the same. `train.declaration` explains what a
field declares. XGBoost's own hyperparameters keep XGBoost's names; only ``lambda``,
which Python has as a keyword, becomes the attribute ``lambda_``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from movielens.bad_rows import largest_bad_share
from movielens.errors import HyperparameterError
from movielens.features.groups import DEFAULT_GROUPS, GROUPS
from movielens.features.training_rows import LATEST_KEPT
from movielens.predictions import DECISIONS, Decision
from train.declaration import (
    Declaration,
    as_text,
    choice,
    declarations_of,
    declared,
    flag,
    number,
    whole_number,
)
from train.failure import REASON_LENGTH, shortened

SplitName = Literal["tutorial", "random", "temporal", "user_temporal", "none"]
OnBadRow = Literal["fail", "drop"]
Device = Literal["auto", "cpu", "cuda"]

# The platform's own keys in the same object.
_PLATFORM_PREFIXES = ("sagemaker_", "_tuning_objective_metric")

# From 0 to 1, how alike a known name must be to be called the nearest one.
_SOMEWHAT_ALIKE = 0.3

# In a message, a name or a value of the user's is cut after so many characters.
_MOST_SHOWN = 60


def _feature_groups(meaning: str) -> Any:
    """A field for some of the feature groups, kept in the order of `GROUPS`."""
    sets = {"default": DEFAULT_GROUPS, "all": tuple(GROUPS), "none": ()}

    def parse(text: str) -> tuple[str, ...]:
        if text.strip() in sets:
            return sets[text.strip()]
        chosen = {name.strip() for name in text.split(",")}
        if not chosen <= GROUPS.keys():
            raise ValueError(text)
        return tuple(name for name in GROUPS if name in chosen)

    names = ", ".join(GROUPS)
    return declared(
        Declaration(
            default=DEFAULT_GROUPS,
            parse=parse,
            expected=f"{', '.join(sets)}, or some of {names}, separated by commas",
            meaning=meaning,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The hyperparameters of one job; each field says what its value means.

    Example:
        >>> chosen = Hyperparameters.parse({"eta": "0.1", "split": "temporal"})
        >>> chosen.eta, chosen.split, chosen.max_depth
        (0.1, 'temporal', 7)
    """

    split: SplitName = choice(
        default="random",
        names=get_args(SplitName),
        meaning=(
            "how test rows are set apart: `tutorial` as in the tutorial, 30 % of the "
            "rows; `random` by `seed`; `temporal` takes the last rows by time, "
            "`user_temporal` the last rows of each user; `none` trains on all rows; a "
            "`validation` channel replaces the split"
        ),
    )
    holdout: float = number(
        default=0.2,
        low=0,
        above_low=True,
        high=0.9,
        meaning=(
            "share of the rows (of each user's rows) that `random`, `temporal` and "
            "`user_temporal` test"
        ),
        other_names=("test_size",),
    )
    seed: int = whole_number(
        default=1729,
        low=0,
        high=2**31 - 1,
        meaning=(
            "seed of the split, of the rows for early stopping, of the hidden movies "
            "and of XGBoost's sampling"
        ),
        passed_to_xgboost=True,
        other_names=("random_state",),
    )
    early_stopping_rounds: int = whole_number(
        default=0,
        low=0,
        high=10_000,
        meaning=(
            "stop once this many rounds brought no lower log-loss on the rows for "
            "early stopping, then train again on all training rows for the number of "
            "rounds found; 0 for no early stopping"
        ),
    )
    early_stopping_share: float = number(
        default=0.2,
        low=0,
        above_low=True,
        high=0.9,
        meaning=(
            "share of the training rows on which early stopping measures the log-loss"
        ),
    )
    features: tuple[str, ...] = _feature_groups(
        meaning="groups of features to make, besides those of time, genres and year"
    )
    latest_kept: int = whole_number(
        default=LATEST_KEPT,
        low=0,
        high=1_000_000,
        meaning=(
            "how many of each user's latest ratings the model keeps, for features that "
            "look at single ratings; 0 keeps no rating and no list of rated movies, so "
            "recommendations may then name movies that the user has rated"
        ),
    )
    hidden_share: float = number(
        default=0.02,
        low=0,
        high=0.9,
        meaning=(
            "share of the training rows whose movie is hidden, so that the model "
            "learns to answer for movies that the catalogue doesn't list"
        ),
    )
    axis_rounds: float = number(
        default=0.6,
        low=0,
        high=1,
        meaning=(
            "the first rounds of a new model, as a share of its rounds, with one tree "
            "for each axis instead of one for each class: higher or lower, the ends or "
            "the middle, half or whole stars"
        ),
    )
    movie_rounds: float = number(
        default=0.12,
        low=0,
        high=1,
        meaning=(
            "rounds for unknown users without a timestamp, which look at the movie "
            "alone, as a share of num_round; they are added to it"
        ),
    )
    user_rounds: float = number(
        default=0.3,
        low=0,
        high=1,
        meaning=(
            "rounds for known users without a timestamp, which look at the movie and "
            "the user, as a share of num_round; they are added to it"
        ),
    )
    date_rounds: float = number(
        default=0.18,
        low=0,
        high=1,
        meaning=(
            "rounds for unknown users with a timestamp, which look at the movie and at "
            "whether the scale had half stars on that date, as a share of num_round; "
            "they are added to it"
        ),
    )
    user_evenness: float = number(
        default=0.25,
        low=0,
        high=1,
        meaning=(
            "in the rounds of `date_rounds`, each of a user's n training rows weighs n "
            "to the power of minus this: 0 makes all rows alike, 1 all users"
        ),
    )
    n_models: int = whole_number(
        default=1,
        low=1,
        high=50,
        meaning=(
            "boosters to train, each with another seed; their margins are averaged"
        ),
    )
    regression_rounds: int = whole_number(
        default=0,
        low=0,
        high=100_000,
        meaning=(
            "rounds of a second booster, which estimates the stars; the expected "
            "rating is then halfway between its estimate and the mean of the "
            "distribution; 0 for none"
        ),
    )
    decision: Decision = choice(
        default="mode",
        names=DECISIONS,
        meaning=(
            "which class `rating` is: `mode` is the most likely class, `median` the "
            "median of the distribution, `mean` the class nearest to the expected "
            "rating"
        ),
        shapes_model=False,
    )
    save_predictions: bool = flag(
        default=False,
        meaning=(
            "write the predictions of the test rows to `output/data/predictions.csv`"
        ),
        shapes_model=False,
    )
    checkpoint_rounds: int = whole_number(
        default=10,
        low=1,
        high=100_000,
        meaning=(
            "rounds from one checkpoint to the next, if the job has a checkpoint "
            "directory"
        ),
        shapes_model=False,
    )
    tree_rows: int = whole_number(
        default=2_000_000,
        low=1_000,
        high=2**31 - 1,
        meaning=(
            "about how many training rows the trees are grown on, chosen by a hash of "
            "their ids; the features are made from all rows"
        ),
    )
    on_bad_row: OnBadRow = choice(
        default="fail",
        names=get_args(OnBadRow),
        meaning=(
            "what to do with a row that can't be used: `fail` at the first one, or "
            "`drop` and count such rows"
        ),
    )
    bad_row_share: float = number(
        default=0.01,
        low=0,
        above_low=True,
        high=0.9,
        meaning="with `on_bad_row=drop`, the share of all rows that may be dropped",
    )
    device: Device = choice(
        default="auto",
        names=get_args(Device),
        meaning=(
            "where XGBoost trains; `auto` takes a GPU if the instance has one and the "
            "image is built for GPUs"
        ),
        shapes_model=False,
    )
    num_round: int = whole_number(
        default=200,
        low=1,
        high=100_000,
        meaning=(
            "rounds of boosting; each adds one tree for every class, the first ones "
            "one for each axis (`axis_rounds`)"
        ),
        tuned=(100, 1_000),
        other_names=("n_estimators", "num_boost_round"),
    )
    eta: float = number(
        default=0.08,
        low=0,
        above_low=True,
        high=1,
        meaning=(
            "learning rate: the share of each new tree that is added; twice that in "
            "`movie_rounds`, `user_rounds` and `date_rounds`"
        ),
        passed_to_xgboost=True,
        tuned=(0.02, 0.3),
        other_names=("learning_rate",),
    )
    max_depth: int = whole_number(
        default=7,
        low=1,
        high=20,
        meaning=(
            "splits from the root of a tree to a leaf, at most; never more than 6 in "
            "the rounds of `axis_rounds`"
        ),
        passed_to_xgboost=True,
        tuned=(2, 8),
    )
    min_child_weight: float = number(
        default=10,
        low=0,
        meaning="least sum of second derivatives in a node",
        passed_to_xgboost=True,
        tuned=(1, 200),
    )
    gamma: float = number(
        default=1.0,
        low=0,
        meaning="least gain for which a node is split",
        passed_to_xgboost=True,
        other_names=("min_split_loss",),
    )
    subsample: float = number(
        default=1,
        low=0,
        above_low=True,
        high=1,
        meaning="share of the rows that each tree is grown on",
        passed_to_xgboost=True,
        tuned=(0.4, 1),
    )
    colsample_bytree: float = number(
        default=0.35,
        low=0,
        above_low=True,
        high=1,
        meaning="share of the features that the trees of a round may use",
        passed_to_xgboost=True,
        tuned=(0.2, 1),
    )
    colsample_bynode: float = number(
        default=0.25,
        low=0,
        above_low=True,
        high=1,
        meaning="share of those features that each node may use",
        passed_to_xgboost=True,
        tuned=(0.2, 1),
    )
    lambda_: float = number(
        default=2,
        low=0,
        meaning="L2 penalty on the values of leaves",
        passed_to_xgboost=True,
        tuned=(0.1, 100),
        other_names=("reg_lambda",),
    )
    alpha: float = number(
        default=0,
        low=0,
        meaning="L1 penalty on the values of leaves",
        passed_to_xgboost=True,
        other_names=("reg_alpha",),
    )
    max_bin: int = whole_number(
        default=64,
        low=2,
        high=65_536,
        meaning="bins for the values of each feature",
        passed_to_xgboost=True,
    )
    nthread: int = whole_number(
        default=0,
        low=0,
        high=1_024,
        meaning="threads that make features and trees; 0 for as many as the "
        "container has CPUs",
        passed_to_xgboost=True,
        shapes_model=False,
        other_names=("n_jobs",),
    )

    @classmethod
    def parse(cls, strings: Mapping[str, object]) -> Self:
        """Read the values of ``hyperparameters.json``; the platform's keys are ignored.

        Raises:
            HyperparameterError: naming every unknown name with the nearest known one,
                and every bad value with what is allowed. SageMaker shows the message
                whole.
        """
        attributes = {_wire_name(each): each for each in declarations_of(cls)}
        declared = cls.declarations()
        values: dict[str, Any] = {}
        faults: list[_Fault] = []

        for name, raw in strings.items():
            if name.startswith(_PLATFORM_PREFIXES):
                continue
            if name not in declared:
                faults.append(_unknown_name(name, declared))
                continue
            try:
                value = declared[name].parse(_decoded(raw))
            except ValueError:
                faults.append(_bad_value(name, raw, declared[name]))
            else:
                values[attributes[name]] = value

        if faults:
            raise HyperparameterError(_reason(faults, sorted(declared)))
        return cls(**values)

    @classmethod
    def declarations(cls) -> dict[str, Declaration]:
        """What is known of each hyperparameter, by its name on the wire."""
        return {
            _wire_name(attribute): declaration
            for attribute, declaration in declarations_of(cls).items()
        }

    @property
    def most_bad(self) -> float:
        """The share of rows that may be dropped because they can't be used."""
        return largest_bad_share(self.on_bad_row, self.bad_row_share)

    def to_json(self) -> dict[str, Any]:
        """Every value by its name on the wire."""
        values = asdict(self).items()
        return {
            _wire_name(attribute): as_text(value) if isinstance(value, tuple) else value
            for attribute, value in values
        }

    def shaping(self) -> dict[str, Any]:
        """The values that features and trees depend on, by their names on the wire."""
        declared = self.declarations()
        return {
            name: value
            for name, value in self.to_json().items()
            if declared[name].shapes_model
        }

    def booster_params(self) -> dict[str, Any]:
        """The values that XGBoost gets; the objective isn't one of them."""
        declared = self.declarations()
        return {
            name: value
            for name, value in self.to_json().items()
            if declared[name].passed_to_xgboost
        }


def _wire_name(attribute: str) -> str:
    """The name in ``hyperparameters.json``: ``lambda`` for ``lambda_``."""
    return attribute.rstrip("_")


def _decoded(raw: object) -> str:
    """The value as plain text.

    It may have come as a string, as a string encoded as JSON, or as a JSON value.
    """
    if not isinstance(raw, str):
        return json.dumps(raw)
    text = raw.strip()
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text)).strip()
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with one hyperparameter.

    Attributes:
        name: as it is shown.
        text: what is wrong and what would be right.
        needs_known_names: whether the list of known names would help.
    """

    name: str
    text: str
    needs_known_names: bool = False


def _bad_value(name: str, raw: object, declaration: Declaration) -> _Fault:
    value = shortened(repr(raw), _MOST_SHOWN)
    return _Fault(name, f"{name} is {value}, expected {declaration.expected}")


def _unknown_name(name: str, declared: Mapping[str, Declaration]) -> _Fault:
    """The fault of an unknown name, with the name that was probably meant."""
    shown = shortened(repr(name)[1:-1], _MOST_SHOWN)
    for known, declaration in declared.items():
        if name in declaration.other_names:
            return _Fault(shown, f"{shown} is unknown, did you mean {known}?")

    similar = difflib.get_close_matches(name, declared, n=1)
    if similar:
        return _Fault(shown, f"{shown} is unknown, did you mean {similar[0]}?")

    text = f"{shown} is unknown"
    nearest = difflib.get_close_matches(name, declared, n=1, cutoff=_SOMEWHAT_ALIKE)
    if nearest:
        text += f" (nearest: {nearest[0]})"
    return _Fault(shown, text, needs_known_names=True)


def _reason(faults: Sequence[_Fault], known_names: Sequence[str]) -> str:
    """All faults in one text, no longer than SageMaker shows it.

    Where there isn't room for all, the last faults are only named. The known names
    follow, as many as fit.
    """
    # No fault is told in fewer than ten characters.
    n_told = min(len(faults), REASON_LENGTH // 10)
    text = _told(faults, n_told)
    while n_told and len(text) > REASON_LENGTH:
        n_told -= 1
        text = _told(faults, n_told)

    if any(fault.needs_known_names for fault in faults):
        text += "; known are "
        text += ", ".join(known_names)
    return shortened(text, REASON_LENGTH)


def _told(faults: Sequence[_Fault], n_told: int) -> str:
    """The first faults as they are told, and the names of the others."""
    told = [fault.text for fault in faults[:n_told]]
    others = [fault.name for fault in faults[n_told:]]
    if others:
        told.append("also wrong: " + ", ".join(others))
    return "; ".join(told)
