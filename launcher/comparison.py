"""Several training jobs side by side: their figures, and in what else they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher.tables import text_table, three_digits

if TYPE_CHECKING:
    from movielens.evaluation import Evaluation, Figures

_BEST = " *"
_NOT_BEST = " " * len(_BEST)
_ABSENT = "-"
# What decides which rows are tested.
_OF_THE_SPLIT = ("split", "holdout", "seed")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure by which jobs are compared.

    Attributes:
        name: as tables have it.
        value: what is compared.
        form: how it is written.
        sign: 1 if more is better, -1 if less is; 0 if neither is better.
    """

    name: str
    value: Callable[[Figures], float]
    form: str
    sign: int

    def text(self, figures: Figures) -> str:
        """The value as it is written."""
        return self.form.format(self.value(figures))

    def best(self, figures: Sequence[Figures]) -> set[int]:
        """The places of the best figures; empty if neither is better, or all are."""
        values = [self.sign * self.value(each) for each in figures]
        if len(set(values)) == 1:
            return set()
        most = max(values)
        places = range(len(values))
        return {place for place in places if values[place] == most}


MEASURES = (
    Measure("rows", lambda each: each.n_rows, "{:,}", 0),
    Measure("exact", lambda each: each.distance["0"], "{:.1%}", 1),
    Measure("1 off", lambda each: each.distance["1"], "{:.1%}", 0),
    Measure("2 off", lambda each: each.distance["2"], "{:.1%}", 0),
    Measure("more", lambda each: each.distance["more"], "{:.1%}", -1),
    Measure("RMSE", lambda each: each.rmse, "{:.4f}", -1),
    Measure("MAE", lambda each: each.mae, "{:.4f}", -1),
    Measure("log-loss", lambda each: each.log_loss, "{:.4f}", -1),
    Measure("kappa", lambda each: each.quadratic_weighted_kappa, "{:.4f}", 1),
    Measure("calibration error", lambda each: each.calibration_error, "{:.4f}", -1),
)


def comparison_table(
    evaluations: Mapping[str, Evaluation], width: int | None = None
) -> str:
    """A column for each job; ``*`` marks the best figure of a line.

    The lines are the figures of the test rows (of the training rows if a job has no
    test rows), then all settings, counts and versions in which the jobs differ.

    Args:
        evaluations: by the job's name.
        width: jobs that don't fit come in tables below; None for one table.
    """
    figures = [each.test or each.train for each in evaluations.values()]
    rows = [_measure_row(measure, figures) for measure in MEASURES]
    for name, *values in differences(list(evaluations.values())):
        rows.append((name, *(three_digits(value) + _NOT_BEST for value in values)))
    names, *columns = zip(("", *evaluations), *rows, strict=True)
    aligned = [_to_the_right(column) for column in columns]

    n_jobs = len(aligned)
    while True:
        tables = [
            _side_by_side(names, aligned[start : start + n_jobs])
            for start in range(0, len(aligned), n_jobs)
        ]
        longest = max(len(line) for table in tables for line in table.splitlines())
        if width is None or longest <= width or n_jobs == 1:
            return "\n\n".join(tables)
        n_jobs -= 1


def _to_the_right(column: Sequence[str]) -> list[str]:
    """A job's name and its figures below each other."""
    name, *cells = column
    width = max(len(name + _NOT_BEST), *(len(cell) for cell in cells))
    return [f"{name}{_NOT_BEST}".rjust(width), *(cell.rjust(width) for cell in cells)]


def _side_by_side(names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    header, *rows = zip(names, *columns, strict=True)
    return text_table(header, rows)


def differences(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    """The settings, counts and versions that aren't the same in all: a name, then a
    value for each evaluation.
    """
    found: list[tuple[str, ...]] = []
    by_name = [dict(_facts(each)) for each in evaluations]
    names = dict.fromkeys(name for facts in by_name for name in facts)
    for name in names:
        values = [str(facts.get(name, _ABSENT)) for facts in by_name]
        if len(set(values)) > 1:
            found.append((name, *values))
    return found


def are_tested_alike(evaluations: Sequence[Evaluation]) -> bool:
    """Whether the test rows may be the same ones, by what is known of them."""
    tested: set[tuple[object, ...]] = set()
    for each in evaluations:
        settings = [each.hyperparameters.get(name) for name in _OF_THE_SPLIT]
        tested.add((each.data.n_test, each.data.n_ratings, *settings))
    return len(tested) == 1


def _measure_row(measure: Measure, figures: Sequence[Figures]) -> tuple[str, ...]:
    best = measure.best(figures)
    cells: list[str] = []
    for place, each in enumerate(figures):
        mark = _BEST if place in best else _NOT_BEST
        cells.append(measure.text(each) + mark)
    return (measure.name, *cells)


def _facts(evaluation: Evaluation) -> Iterator[tuple[str, Any]]:
    """What a job was given and what it used, by name."""
    booster = evaluation.booster
    yield "rounds", booster.num_round
    yield "rounds of the regression", booster.regression_rounds
    yield "stopped early", booster.stopped
    for name, number in evaluation.data.numbers().items():
        yield name.replace("_", " "), f"{number:,}"
    yield from evaluation.hyperparameters.items()
    for library, version in evaluation.versions.items():
        yield f"version of {library}", version
