"""Hyperparameters: declared once as typed fields, parsed once from SageMaker's strings,
every fault reported together.

SageMaker hands over a flat object of strings. SDKs may JSON-encode a value first, so
``"5"`` and ``"\\"5\\""`` mean the same. Each field of `Hyperparameters` declares how
its string is parsed and what is allowed; the names of XGBoost's own hyperparameters are
XGBoost's.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

from movielens.bad_rows import largest_bad_share
from movielens.errors import HyperparameterError
from movielens.features.groups import DEFAULT_GROUPS, GROUPS
from movielens.predictions import DECISIONS, Decision

SplitName = Literal["tutorial", "random", "temporal", "user_temporal", "none"]
OnBadRow = Literal["fail", "drop"]
Device = Literal["auto", "cpu", "cuda"]
_OURS = {
    "split",
    "holdout",
    "early_stopping_rounds",
    "early_stopping_share",
    "features",
    "hidden_share",
    "movie_rounds",
    "user_rounds",
    "n_models",
    "regression_rounds",
    "decision",
    "save_predictions",
    "checkpoint_rounds",
    "num_round",
    "tree_rows",
    "on_bad_row",
    "bad_row_share",
    "device",
}
_SHAPELESS = {"decision", "save_predictions", "checkpoint_rounds", "nthread", "device"}
SMALLEST_FLOAT, LARGEST_FLOAT = 2.0**-126, 2.0**127
_SPLITS: tuple[str, ...] = get_args(SplitName)
_ON_BAD_ROW: tuple[str, ...] = get_args(OnBadRow)
_DEVICES: tuple[str, ...] = get_args(Device)
_PLATFORM_PREFIXES = ("sagemaker_", "_tuning_objective_metric")
_OTHER_NAMES = {
    "learning_rate": "eta",
    "n_estimators": "num_round",
    "num_boost_round": "num_round",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
    "min_split_loss": "gamma",
    "random_state": "seed",
    "test_size": "holdout",
}


def _declared(
    default: Any, parse: Callable[[str], Any], expected: str, **more: Any
) -> Any:
    return field(
        default=default, metadata={"parse": parse, "expected": expected, **more}
    )


def _whole(
    default: int, low: int, high: int, tuned: tuple[int, int] | None = None
) -> Any:
    def parse(text: str) -> int:
        # int() also takes underscores and the digits of other scripts.
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError
        return int(text)

    return _declared(
        default,
        parse,
        f"a whole number from {low} to {high}",
        kind="Integer",
        allowed=(low, high),
        tuned=tuned,
    )


def _number(
    default: float,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    tuned: tuple[float, float] | None = None,
) -> Any:
    def parse(text: str) -> float:
        value = float(text) if text.isascii() and "_" not in text else math.nan
        # XGBoost holds them as float32, and refuses what is too large or too close to 0
        # for that.
        if value and not SMALLEST_FLOAT <= abs(value) <= LARGEST_FLOAT:
            raise ValueError
        if (
            not (low < value if above else low <= value)
            or not value <= high
            or math.isinf(value)
        ):
            raise ValueError
        return value

    return _declared(
        default,
        parse,
        f"a number {'above' if above else 'from'} {low:g}"
        + ("" if math.isinf(high) else f" to {high:g}"),
        kind="Continuous",
        allowed=(low, high),
        tuned=tuned,
    )


def _choice(default: str, names: tuple[str, ...]) -> Any:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError
        return text

    return _declared(
        default, parse, "one of " + ", ".join(names), kind="Categorical", choices=names
    )


def _features() -> Any:
    sets = {"default": DEFAULT_GROUPS, "all": tuple(GROUPS), "none": ()}

    def parse(text: str) -> tuple[str, ...]:
        chosen = {name.strip() for name in text.split(",")}
        if len(chosen) == 1 and chosen <= sets.keys():
            return sets[chosen.pop()]
        if not chosen <= GROUPS.keys():
            raise ValueError
        return tuple(name for name in GROUPS if name in chosen)

    expected = f"{', '.join(sets)}, or some of {', '.join(GROUPS)}, with commas between"
    return _declared(DEFAULT_GROUPS, parse, expected)


def _flag(default: bool) -> Any:
    values = {"true": True, "false": False, "1": True, "0": False}
    return _declared(
        default,
        lambda text: values[text.lower()],
        "true or false",
        kind="Categorical",
        choices=tuple(values),
    )


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """One training run's settings; what declares ``tuned`` has there the range in which
    tuning searches.

    Attributes:
        split: how test rows are set apart. ``tutorial`` is pandas' ``sample(frac=1,
            random_state=1729)`` with the first 70 % for training; ``random`` shuffles
            by ``seed``; ``temporal`` tests the last rows by time, ``user_temporal`` the
            last rows of each user; ``none`` trains on everything. A ``validation``
            channel replaces it.
        holdout: share of rows (of each user's rows) tested by ``random``, ``temporal``
            and ``user_temporal``.
        seed: of the split, of the early-stopping rows, of what is hidden and of
            XGBoost's sampling.
        early_stopping_rounds: 0, or stop once this many rounds brought no better
            log-loss on ``early_stopping_share`` of the training rows, then train again
            on all of them for the number of rounds found.
        features: the groups of features beside ids, time, genres and year.
        hidden_share: share of the training rows from which the movie is hidden, so that
            the model learns to answer for movies that the catalogue doesn't list.
        movie_rounds: share of the rounds that look at the movie alone and answer for
            unknown users.
        user_rounds: share of the rounds that look at the user too, but at no time; they
            answer together with those before where no timestamp is sent, the rest
            answers where one is.
        n_models: boosters of different seeds whose margins are averaged.
        regression_rounds: rounds of a second booster, which estimates the stars; the
            expected rating is then halfway between its estimate and the mean of the
            distribution. 0 for none.
        decision: which class ``rating`` is: ``mode``, the likeliest, ``median``, that
            of the distribution, or ``mean``, the class nearest to the expected rating,
            which is the same with each.
        save_predictions: write the test rows' predictions to
            ``output/data/predictions.csv``.
        checkpoint_rounds: rounds between two checkpoints, where the job has a directory
            for them.
        tree_rows: about how many training rows the trees are grown on, drawn by a hash
            where there are more; the features are made of all rows.
        on_bad_row: ``fail`` at the first row that can't be used, or ``drop`` such rows
            and count them.
        bad_row_share: with ``drop``, the share of all rows that may be.
        device: where XGBoost trains: ``cpu``, ``cuda``, or ``auto`` for whichever there
            is.
        nthread: XGBoost's threads, 0 for as many as the container has CPUs.

    The others are XGBoost's, under its own names (``lambda_`` is ``lambda``).
    """

    split: SplitName = _choice("random", _SPLITS)
    holdout: float = _number(0.2, 0, 0.9, above=True)
    seed: int = _whole(1729, 0, 2**31 - 1)
    early_stopping_rounds: int = _whole(0, 0, 10_000)
    early_stopping_share: float = _number(0.2, 0, 0.9, above=True)
    features: tuple[str, ...] = _features()
    hidden_share: float = _number(0.02, 0, 0.9)
    movie_rounds: float = _number(0.135, 0, 1)
    user_rounds: float = _number(0.325, 0, 1)
    n_models: int = _whole(1, 1, 50)
    regression_rounds: int = _whole(0, 0, 100_000)
    decision: Decision = _choice("mode", DECISIONS)
    save_predictions: bool = _flag(False)
    checkpoint_rounds: int = _whole(10, 1, 100_000)
    tree_rows: int = _whole(2_000_000, 1_000, 2**31 - 1)
    on_bad_row: OnBadRow = _choice("fail", _ON_BAD_ROW)
    bad_row_share: float = _number(0.01, 0, 0.9, above=True)
    device: Device = _choice("auto", _DEVICES)
    num_round: int = _whole(370, 1, 100_000, tuned=(100, 1_000))
    eta: float = _number(0.05, 0, 1, above=True, tuned=(0.02, 0.3))
    max_depth: int = _whole(7, 1, 20, tuned=(2, 8))
    min_child_weight: float = _number(10, 0, tuned=(1, 200))
    gamma: float = _number(1.5, 0)
    subsample: float = _number(1, 0, 1, above=True, tuned=(0.4, 1))
    colsample_bytree: float = _number(0.35, 0, 1, above=True, tuned=(0.2, 1))
    colsample_bynode: float = _number(0.25, 0, 1, above=True, tuned=(0.2, 1))
    lambda_: float = _number(5, 0, tuned=(0.1, 100))
    alpha: float = _number(0, 0)
    max_bin: int = _whole(64, 2, 65_536)
    nthread: int = _whole(0, 0, 1_024)

    @classmethod
    def parse(cls, strings: Mapping[str, object]) -> Self:
        """From ``hyperparameters.json``; the platform's own keys are passed over.

        Raises:
            HyperparameterError: naming every unknown name with the nearest known one,
                and every bad value with what is allowed.
        """
        declared = {_wire_name(f.name): f for f in fields(cls)}
        values: dict[str, Any] = {}
        faults: list[str] = []
        for name, raw in strings.items():
            if name.startswith(_PLATFORM_PREFIXES):
                continue
            if name not in declared:
                faults.append(_unknown(name, list(declared)))
                continue
            metadata = declared[name].metadata
            try:
                values[declared[name].name] = metadata["parse"](_plain(raw))
            except (ValueError, KeyError):
                faults.append(f"{name} is {raw!r}, expected {metadata['expected']}")
        if faults:
            raise HyperparameterError("; ".join(faults))
        return cls(**values)

    @property
    def most_bad(self) -> float:
        """The share of rows that may be left out because they can't be used."""
        return largest_bad_share(self.on_bad_row, self.bad_row_share)

    def to_json(self) -> dict[str, Any]:
        """Every value under its wire name."""
        values = {**asdict(self), "features": ",".join(self.features) or "none"}
        return {_wire_name(name): value for name, value in values.items()}

    def shaping(self) -> dict[str, Any]:
        """The values that features and trees depend on, under their wire names."""
        return {
            name: value
            for name, value in self.to_json().items()
            if name not in _SHAPELESS
        }

    def booster_params(self) -> dict[str, Any]:
        """What XGBoost is given, but for the objective and the number of classes."""
        return {
            name: value for name, value in self.to_json().items() if name not in _OURS
        }


def _wire_name(name: str) -> str:
    return name.rstrip("_")


def _plain(raw: object) -> str:
    """The value as text, whether it came as a string, as a JSON-encoded string or as a
    JSON value.
    """
    if not isinstance(raw, str):
        return json.dumps(raw)
    text = raw.strip()
    if text.startswith('"'):
        try:
            text = str(json.loads(text)).strip()
        except ValueError:
            return text
    return text


def _unknown(name: str, known: list[str]) -> str:
    near = (
        [_OTHER_NAMES[name]]
        if name in _OTHER_NAMES
        else difflib.get_close_matches(name, known, n=1)
    )
    return f"{name} is unknown" + (
        f", did you mean {near[0]}?"
        if near
        else f"; known are {', '.join(sorted(known))}"
    )
