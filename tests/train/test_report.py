"""Metric lines against the regular expressions that read them, and predictions.csv."""

from __future__ import annotations

import re

import numpy as np
import pytest

from movielens.predictions import Predictions
from movielens.tables import RatingTable
from train.evaluation import evaluate
from train.report import (
    METRIC_DEFINITIONS,
    METRIC_NAMES,
    metric_line,
    metric_lines,
    predictions_csv,
)

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
PREDICTIONS = Predictions(np.full((2, 5), 0.2, dtype=np.float32), STARS)
FIGURES = evaluate(PREDICTIONS, np.array([0, 4]))


def found_in(line: str) -> dict[str, str]:
    """What SageMaker finds in a line of the log."""
    matches = {
        definition["Name"]: re.search(definition["Regex"], line)
        for definition in METRIC_DEFINITIONS
    }
    return {name: match[1] for name, match in matches.items() if match}


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_every_line_is_read_by_its_own_expression_alone(name: str) -> None:
    line = f"2026-01-01 train.pipeline INFO {metric_line(name, 1.5)}"
    assert found_in(line) == {name: "1.500000"}


def test_every_metric_but_the_search_has_a_line_a_part() -> None:
    lines = [*metric_lines("train", FIGURES), *metric_lines("test", FIGURES)]
    names = [name for line in lines for name in found_in(line)]
    assert [*names, "validation:mlogloss"] == list(METRIC_NAMES)


def test_definitions_fit_the_platforms_limits() -> None:
    assert len(METRIC_DEFINITIONS) <= 40
    for definition in METRIC_DEFINITIONS:
        assert len(definition["Regex"]) <= 500


def test_values_keep_their_sign() -> None:
    line = metric_line("test:quadratic_weighted_kappa", -0.25)
    assert line == "metric test:quadratic_weighted_kappa=-0.250000"
    assert found_in(line) == {"test:quadratic_weighted_kappa": "-0.250000"}


def test_predictions_csv_keeps_every_digit() -> None:
    table = RatingTable.of(
        np.array([3, 1], np.int32),
        np.array([7, 9], np.int32),
        np.array([4.5, 1], np.float32),
        None,
    )
    header, first, second = predictions_csv(table, PREDICTIONS).decode().splitlines()
    expected = [float(stars) for stars in PREDICTIONS.expected_rating]
    assert header == "userId,movieId,rating,predicted,expected_rating"
    assert first == f"3,7,4.5,1.0,{expected[0]!r}"
    assert float(second.split(",")[-1]) == expected[1]
