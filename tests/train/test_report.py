from __future__ import annotations

import re

import numpy as np

from movielens.evaluation import evaluation_table
from movielens.predictions import Predictions
from movielens.tables import RatingTable
from train.evaluation import evaluate
from train.report import (
    METRIC_DEFINITIONS,
    metric_line,
    metric_lines,
    predictions_csv,
)

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
SCORES = Predictions(np.full((2, 5), 0.2, dtype=np.float32), STARS)
FIGURES = evaluate(SCORES, np.array([0, 4]))


def test_every_line_is_read_by_its_regex_and_no_other() -> None:
    lines = [
        *metric_lines("train", FIGURES),
        *metric_lines("test", FIGURES),
        metric_line("validation:mlogloss", 1.5),
    ]
    assert len(lines) == len(METRIC_DEFINITIONS)
    for definition, line in zip(METRIC_DEFINITIONS, lines, strict=True):
        found = [
            (d["Name"], m[1])
            for d in METRIC_DEFINITIONS
            if (m := re.search(d["Regex"], f"2026-01-01 train INFO {line}"))
        ]
        assert found == [(definition["Name"], line.partition("=")[2])]


def test_definitions_fit_the_platform() -> None:
    assert len(METRIC_DEFINITIONS) <= 40
    assert all(len(d["Regex"]) <= 500 for d in METRIC_DEFINITIONS)


def test_values_keep_their_sign_and_size() -> None:
    assert (
        metric_line("test:quadratic_weighted_kappa", -0.25)
        == "metric test:quadratic_weighted_kappa=-0.250000"
    )


def test_the_table_has_a_line_each_and_aligned_columns() -> None:
    lines = evaluation_table(
        {"test": FIGURES, "most_frequent_class": FIGURES}
    ).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("test ")


def test_predictions_csv_keeps_every_digit() -> None:
    table = RatingTable.of(
        np.array([3, 1], np.int32),
        np.array([7, 9], np.int32),
        np.array([4.5, 1], np.float32),
        None,
    )
    header, first, second = predictions_csv(table, SCORES).decode().splitlines()
    assert header == "userId,movieId,rating,predicted,expected_rating"
    assert first == f"3,7,4.5,1.0,{float(SCORES.expected_rating[0])!r}"
    assert float(second.split(",")[-1]) == SCORES.expected_rating[1]
