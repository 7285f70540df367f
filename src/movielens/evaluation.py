"""What a job writes as ``evaluation.json``: figures of the model and of the baselines,
and what they were measured on.

The job makes these values (`train.evaluation`), the artifact keeps them, the launcher
reads them again. Only `Evaluation.to_json` and `Evaluation.from_json` know JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from movielens.predictions import Decision

DISTANCES = ("0", "1", "2", "more")

_HEADER = (
    "",
    "rows",
    "exact",
    "1 off",
    "2 off",
    "more",
    "RMSE",
    "MAE",
    "log-loss",
    "kappa",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Metrics of one set of predictions.

    Attributes:
        n_rows: rows evaluated.
        class_values: stars of each class.
        decision: how the class was chosen; `movielens.predictions.Predictions` has the
            meanings.
        distance: share of rows whose class is 0, 1, 2 or more classes away; sums to 1.
        accuracy: share of rows at distance 0.
        rmse: root mean squared error of the expected rating, in stars.
        mae: mean absolute error of the expected rating, in stars.
        log_loss: mean of -ln p(true class).
        calibration_error: mean gap between how sure the most likely class was and how
            often it was right, over ten bins of sureness weighted by their rows.
        reliability: for each bin with rows in it: mean probability of the most likely
            class, share of rows where it was right, rows.
        quadratic_weighted_kappa: Cohen's kappa with squared class distances as weights;
            0 for a constant prediction.
        confusion_matrix: counts, a row for each true class, a column for each
            predicted one.
    """

    n_rows: int
    class_values: list[float]
    decision: Decision
    distance: dict[str, float]
    accuracy: float
    rmse: float
    mae: float
    log_loss: float
    calibration_error: float
    reliability: list[list[float]]
    quadratic_weighted_kappa: float
    confusion_matrix: list[list[int]]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The figures that `dataclasses.asdict` made ``value`` of."""
        return cls(**{each.name: value[each.name] for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class DataCounts:
    """What a job was trained and tested on.

    Attributes:
        n_ratings: ratings read, without those dropped.
        n_users: users among them.
        n_movies: movies of the catalogue.
        n_train: training rows.
        n_test: test rows.
        dropped: rows left out, by reason.
        files: the files that were read, channel first.
        n_earlier: training rows that came with an earlier model.
    """

    n_ratings: int
    n_users: int
    n_movies: int
    n_train: int
    n_test: int
    dropped: dict[str, int]
    files: list[str]
    n_earlier: int = 0

    def numbers(self) -> dict[str, int]:
        """The plain counts, by name."""
        return {
            name: value for name, value in asdict(self).items() if type(value) is int
        }


@dataclass(frozen=True, slots=True)
class Rounds:
    """How far boosting went.

    Attributes:
        num_round: rounds of the classes' booster.
        regression_rounds: rounds of the regression, 0 without one.
        stopped: whether SIGTERM ended it early.
    """

    num_round: int
    regression_rounds: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of ``evaluation.json``.

    Attributes:
        test: figures on the test rows, None where there are none.
        train: figures on the training rows.
        baselines: figures of the baselines on the test rows, by name.
        data: what was trained and tested on.
        booster: how far boosting went.
        hyperparameters: every value, by its name on the wire.
        versions: of the libraries that shape a model.
    """

    test: Figures | None
    train: Figures
    baselines: dict[str, Figures]
    data: DataCounts
    booster: Rounds
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Figures]:
        """All figures by name: train, test, then the baselines."""
        of_model = {"train": self.train}
        if self.test is not None:
            of_model["test"] = self.test
        return of_model | self.baselines

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The evaluation that `to_json` gave.

        Raises:
            KeyError: a member is missing.
            TypeError: a member isn't what it should be.
        """
        test = value["test"]
        baselines = value["baselines"].items()
        return cls(
            test=None if test is None else Figures.from_json(test),
            train=Figures.from_json(value["train"]),
            baselines={name: Figures.from_json(each) for name, each in baselines},
            data=DataCounts(**value["data"]),
            booster=Rounds(**value["booster"]),
            hyperparameters=dict(value["hyperparameters"]),
            versions=dict(value["versions"]),
        )


def evaluation_table(figures: Mapping[str, Figures]) -> str:
    """A table for people, one line a predictor.

    First the shares of rows by distance in classes, then the errors in stars.
    """
    rows: list[tuple[str, ...]] = [_HEADER]
    rows += [_table_row(name, each) for name, each in figures.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _table_row(name: str, figures: Figures) -> tuple[str, ...]:
    shares = [f"{100 * figures.distance[away]:.1f} %" for away in DISTANCES]
    errors = (
        figures.rmse,
        figures.mae,
        figures.log_loss,
        figures.quadratic_weighted_kappa,
    )
    return name, f"{figures.n_rows:,}", *shares, *(f"{error:.3f}" for error in errors)


def _aligned(row: Iterable[str], widths: list[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    name = first[0].ljust(first[1])
    return "  ".join([name, *(cell.rjust(width) for cell, width in rest)])
