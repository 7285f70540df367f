"""The contents of ``report.json``: what the training report measures besides the
evaluation.

The job writes it beside its report, so that the launcher can draw several jobs in one
chart. Only `ReportNumbers.to_json` and `ReportNumbers.from_json` know the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

# The file's name, in ``output/data``.
REPORT_NUMBERS = "report.json"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """The errors of some rows.

    Attributes:
        label: which rows these are.
        n_rows: how many.
        rmse: root mean squared error of the expected rating, in stars.
        interval: where the RMSE of many such rows would be, with 95 % probability.
        exact: share of rows whose class is right.
    """

    label: str
    n_rows: int
    rmse: float
    interval: tuple[float, float]
    exact: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The bin whose `dataclasses.asdict` is ``value``.

        Raises:
            KeyError: a member is missing.
            ValueError: a number is none.
        """
        low, high = value["interval"]
        return cls(
            label=str(value["label"]),
            n_rows=int(value["n_rows"]),
            rmse=float(value["rmse"]),
            interval=(float(low), float(high)),
            exact=float(value["exact"]),
        )


@dataclass(frozen=True, slots=True)
class ReportNumbers:
    """What was measured on test rows; all of it is empty without such rows.

    Attributes:
        learning_curve: rounds, and the log-loss that so many rounds have.
        by_user_ratings: errors by how many training ratings the row's user has.
        by_movie_ratings: errors by how many training ratings the row's movie has.
    """

    learning_curve: list[Point] = field(default_factory=list)
    by_user_ratings: list[Bin] = field(default_factory=list)
    by_movie_ratings: list[Bin] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The numbers whose `to_json` is ``value``.

        Raises:
            KeyError: a member is missing.
            TypeError: a member isn't what it should be.
            ValueError: a number is none.
        """
        curve = value["learning_curve"]
        return cls(
            learning_curve=[(float(rounds), float(loss)) for rounds, loss in curve],
            by_user_ratings=[Bin.from_json(each) for each in value["by_user_ratings"]],
            by_movie_ratings=[
                Bin.from_json(each) for each in value["by_movie_ratings"]
            ],
        )
