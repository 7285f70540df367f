"""The contents of ``evaluation.json``: figures of the model and of the baselines.

The job makes these values (`train.evaluation`), the artifact keeps them, and the
launcher reads them again. Only `Evaluation.to_json` and `Evaluation.from_json` know the
JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from movielens.predictions import Decision

# How many classes a prediction is away from the true one.
DISTANCES = ("0", "1", "2", "more")

# The figures that tables show, in their order.
FIGURE_NAMES: tuple[str, ...] = (
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

# What tables call the baselines.
BASELINE_WORDS = {
    "most_frequent_class": "most frequent",
    "user_mean": "user's mean",
    "movie_mean": "movie's mean",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Metrics of one set of predictions.

    Attributes:
        n_rows: rows evaluated.
        class_values: stars of each class.
        decision: how the class was chosen; see `movielens.predictions.Predictions`.
        distance: share of rows whose class is 0, 1, 2 or more classes away; sums to 1.
        accuracy: share of rows at distance 0.
        rmse: root mean squared error of the expected rating, in stars.
        mae: mean absolute error of the expected rating, in stars.
        log_loss: mean of -ln p(true class).
        calibration_error: mean difference between the probability of the most likely
            class and the share of rows where that class was right, over ten bins of
            that probability, weighted by their rows.
        reliability: for each bin that isn't empty: the mean probability of the most
            likely class, the share of rows where it was right, and the number of rows.
        quadratic_weighted_kappa: Cohen's kappa with squared class distances as weights;
            0 for a constant prediction.
        confusion_matrix: counts; a row for each true class, a column for each predicted
            class.
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
        """The figures whose `dataclasses.asdict` is ``value``.

        Raises:
            KeyError: a member is missing.
        """
        return cls(**{each.name: value[each.name] for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class DataCounts:
    """What a job was trained and tested on.

    Attributes:
        n_ratings: ratings that were read and kept.
        n_users: users who gave them.
        n_movies: movies of the catalogue.
        n_train: training rows.
        n_test: test rows.
        dropped: how many rows were dropped, by reason.
        files: the names of the files, which begin with their channels.
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
        """The counts of rows, users and movies, by name."""
        values = asdict(self)
        del values["dropped"], values["files"]
        return values


@dataclass(frozen=True, slots=True)
class Rounds:
    """How many rounds were boosted.

    Attributes:
        num_round: rounds of the booster of the classes.
        branch_rounds: those of them that answer rows of which less is known: the user,
            the time or both are missing. They come last.
        regression_rounds: rounds of the regression, 0 without one.
        stopped: whether SIGTERM ended training early.
        validation_losses: with early stopping, the log-loss on its rows after each
            round of the search; empty without.
    """

    num_round: int
    branch_rounds: int = 0
    regression_rounds: int = 0
    stopped: bool = False
    validation_losses: list[float] = field(default_factory=list)

    @property
    def main_rounds(self) -> int:
        """Those that look at all features. They come first."""
        return self.num_round - self.branch_rounds


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage of a job has cost on the first host.

    Attributes:
        name: what was done.
        seconds: how long it took.
        cores_busy: processors that it kept busy, on average.
        peak_mb: the most memory that the process had had when the stage ended, in MB.
    """

    name: str
    seconds: float
    cores_busy: float
    peak_mb: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of ``evaluation.json``.

    Attributes:
        test: figures on the test rows, None if there are no test rows.
        train: figures on the training rows.
        baselines: figures of the baselines on the test rows, by name.
        data: what the model was trained and tested on.
        booster: how many rounds were boosted.
        hyperparameters: all of them, by the names that SageMaker passes.
        versions: of the libraries that shape a model, by name.
        stages: what the job's stages have cost, up to the evaluation. A model's own
            evaluation has none, since two jobs with the same model differ in them.
    """

    test: Figures | None
    train: Figures
    baselines: dict[str, Figures]
    data: DataCounts
    booster: Rounds
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    stages: list[StageCost] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Figures]:
        """All figures by name: ``train``, ``test`` if there is one, the baselines."""
        figures = {"train": self.train}
        if self.test is not None:
            figures["test"] = self.test
        return figures | self.baselines

    def to_json(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The evaluation whose `to_json` is ``value``.

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
            stages=[StageCost(**each) for each in value.get("stages", ())],
        )


def evaluation_table(figures: Mapping[str, Figures]) -> str:
    """A table for people, with a line for each predictor; it fits 80 columns.

    It has the shares of rows by distance in classes, then the errors in stars.

    Args:
        figures: by the predictor's name.
    """
    lines = [("", *FIGURE_NAMES)]
    for name, each in figures.items():
        lines.append(_table_line(name, each))
    return _table(lines)


def stage_table(stages: Sequence[StageCost]) -> str:
    """A table for people, with a line for each stage, and one for all."""
    lines: list[tuple[str, ...]] = [("stage", "seconds", "cores busy", "peak MB")]
    seconds = sum(each.seconds for each in stages)
    busy = sum(each.seconds * each.cores_busy for each in stages)
    together = StageCost(
        name="together",
        seconds=seconds,
        cores_busy=busy / seconds if seconds else 0,
        peak_mb=max((each.peak_mb for each in stages), default=0),
    )
    for each in (*stages, together):
        numbers = f"{each.seconds:.1f}", f"{each.cores_busy:.2f}", f"{each.peak_mb:,}"
        lines.append((each.name, *numbers))
    return _table(lines)


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    columns = zip(*lines, strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    return "\n".join(_aligned(line, widths) for line in lines)


def confusion_table(figures: Figures) -> str:
    """How often each true class is predicted as which, in percent, as text.

    A row for each true class, a column for each predicted class.
    """
    labels = [f"{value:g}" for value in figures.class_values]
    lines = [("true", *labels)]
    for label, counts in zip(labels, figures.confusion_matrix, strict=True):
        n_rows = max(sum(counts), 1)
        shares = [f"{100 * count / n_rows:.0f}" for count in counts]
        lines.append((label, *shares))

    first_width = len("true")
    widths = [first_width] + [3] * len(labels)
    title = "of each true class, the percentage that is predicted as each class"
    return "\n".join([title, *(_aligned(line, widths) for line in lines)])


def _table_line(name: str, figures: Figures) -> tuple[str, ...]:
    distance = figures.distance
    shares = [f"{100 * distance[classes]:.1f}%" for classes in DISTANCES]
    errors = [
        f"{figures.rmse:.3f}",
        f"{figures.mae:.3f}",
        f"{figures.log_loss:.3f}",
        f"{figures.quadratic_weighted_kappa:.3f}",
    ]
    shown = BASELINE_WORDS.get(name, name)
    return shown, f"{figures.n_rows:,}", *shares, *errors


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    """The cells of a line: the name to the left, numbers to the right."""
    name, *numbers = line
    name_width, *number_widths = widths

    cells = [name.ljust(name_width)]
    for number, width in zip(numbers, number_widths, strict=True):
        cells.append(number.rjust(width))
    return "  ".join(cells)
