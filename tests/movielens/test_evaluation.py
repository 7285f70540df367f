from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from movielens.evaluation import (
    Evaluation,
    Figures,
    StageCost,
    confusion_table,
    evaluation_table,
    stage_table,
)
from tests.examples import EVALUATION, FIGURES


def test_json_gives_the_same_evaluation_again() -> None:
    full = replace(
        EVALUATION,
        hyperparameters={"eta": 0.05, "features": "taste"},
        versions={"xgboost": "3.2"},
        stages=[StageCost("fit", 1.5, 1.9, 800)],
    )
    value = json.loads(json.dumps(full.to_json()))
    assert Evaluation.from_json(value) == full


def test_an_evaluation_may_lack_test_rows() -> None:
    untested = replace(EVALUATION, test=None, baselines={})
    assert Evaluation.from_json(untested.to_json()) == untested


@pytest.mark.parametrize("member", ["train", "data", "booster", "baselines"])
def test_a_missing_member_is_named(member: str) -> None:
    value = EVALUATION.to_json()
    del value[member]
    with pytest.raises(KeyError, match=member):
        Evaluation.from_json(value)


def test_an_unknown_count_is_refused() -> None:
    value: dict[str, Any] = EVALUATION.to_json()
    value["data"]["n_guesses"] = 3
    with pytest.raises(TypeError, match="n_guesses"):
        Evaluation.from_json(value)


def test_figures_ignore_members_of_later_versions() -> None:
    value = asdict(FIGURES) | {"brier": 0.2}
    assert Figures.from_json(value) == FIGURES


def test_figures_are_in_the_order_of_the_table() -> None:
    assert list(EVALUATION.figures) == ["train", "test", "user_mean"]
    assert list(replace(EVALUATION, test=None).figures) == ["train", "user_mean"]


def test_the_counts_are_plain_numbers() -> None:
    assert EVALUATION.data.numbers() == {
        "n_ratings": 400,
        "n_users": 20,
        "n_movies": 30,
        "n_train": 396,
        "n_test": 4,
        "n_earlier": 0,
    }


def test_the_table_has_a_line_for_each_predictor() -> None:
    many = replace(FIGURES, n_rows=1_234_567)
    table = evaluation_table({"train": many, "user_mean": FIGURES})
    header, train, user_mean = table.splitlines()
    assert len(header) == len(train) == len(user_mean)

    names = re.split(r" {2,}", header.strip())
    assert names[:5] == ["rows", "exact", "1 off", "2 off", "more"]
    assert names[5:] == ["RMSE", "MAE", "log-loss", "kappa"]
    shares = "50.0%  25.0%  25.0%  0.0%"
    errors = "1.100  0.750     1.300  0.600"
    assert train == f"train        1,234,567  {shares}  {errors}"
    assert user_mean == f"user's mean          4  {shares}  {errors}"


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    many = replace(FIGURES, n_rows=30_251)
    names = ("train", "test", "most_frequent_class", "user_mean", "movie_mean")
    table = evaluation_table(dict.fromkeys(names, many))
    assert max(map(len, table.splitlines())) <= 80


def test_the_table_of_stages_ends_with_all_together() -> None:
    stages = [StageCost("fit", 10.0, 2.0, 500), StageCost("boosting", 30.0, 1.0, 1200)]
    header, fit, boosting, together = stage_table(stages).splitlines()
    assert re.split(r" {2,}", header) == ["stage", "seconds", "cores busy", "peak MB"]
    assert fit.split() == ["fit", "10.0", "2.00", "500"]
    assert boosting.split() == ["boosting", "30.0", "1.00", "1,200"]
    assert together.split() == ["together", "40.0", "1.25", "1,200"]
    assert stage_table([]).splitlines()[1].split() == ["together", "0.0", "0.00", "0"]


def test_the_confusion_is_in_percent_of_each_true_class() -> None:
    confusion = [[3, 1, 0, 0, 0], *([0] * 5 for _ in range(3)), [0, 0, 0, 0, 200]]
    table = confusion_table(replace(FIGURES, confusion_matrix=confusion))
    _, header, *rows = table.splitlines()
    assert header.split() == ["true", "1", "2", "3", "4", "5"]
    assert rows[0].split() == ["1", "75", "25", "0", "0", "0"]
    assert rows[1].split() == ["2", "0", "0", "0", "0", "0"]
    assert rows[4].split() == ["5", "0", "0", "0", "0", "100"]
    assert len({len(row) for row in rows}) == 1
