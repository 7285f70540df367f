from __future__ import annotations

import re
from dataclasses import replace

from launcher.comparison_page import comparison_page
from movielens.evaluation import Evaluation
from movielens.report_numbers import Bin, ReportNumbers
from tests.examples import EVALUATION, FIGURES, NUMBERS

BETTER = replace(
    EVALUATION,
    test=replace(FIGURES, rmse=0.9),
    hyperparameters={"eta": 0.1},
)
_LABELS = ("1 to 4", "5 to 9", "10 and more")
Results = dict[str, tuple[Evaluation, ReportNumbers | None]]
TWO: Results = {"first": (EVALUATION, NUMBERS), "second": (BETTER, NUMBERS)}


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_best_figure_is_said_in_words() -> None:
    words = words_of(comparison_page(TWO))
    assert "RMSE 0.9000 best: job 2 job 1: 1.1000" in words
    assert "RMSE 1.1000 best 0.9000" in words
    assert "MAE 0.7500 the same in all jobs" in words


def test_which_job_is_which_and_what_differs_is_said() -> None:
    words = words_of(comparison_page(TWO))
    assert "1 first 2 second" in words
    assert "eta - 0.1" in words
    same = comparison_page({"first": (EVALUATION, None), "again": (EVALUATION, None)})
    assert "Nothing: these jobs have the same settings" in same


def test_every_figure_has_its_table() -> None:
    page = comparison_page(TWO)
    assert page.count("<svg") == page.count("<details") == page.count("<h3") == 5


def test_each_jobs_curve_is_in_one_chart() -> None:
    page = comparison_page(TWO)
    curves = page[page.index('id="training"') : page.index('id="errors"')]
    assert curves.count("<polyline") == 2
    assert 'class="line-one"' in curves
    assert 'class="line-two"' in curves


def test_what_a_job_has_not_measured_is_said() -> None:
    page = comparison_page({**TWO, "old": (EVALUATION, None)})
    assert "Not shown: job 3" in page
    nothing = comparison_page({name: (each, None) for name, (each, _) in TWO.items()})
    assert "Learning curves" not in nothing
    assert "Where they err" not in nothing


def test_bins_that_only_some_jobs_have_are_in_their_order() -> None:
    bins = [Bin(label, 1, 1.0, (1.0, 1.0), 0.0) for label in _LABELS]
    odd = replace(NUMBERS, by_user_ratings=[bins[0], bins[2]])
    even = replace(NUMBERS, by_user_ratings=[bins[1], bins[2]])
    words = words_of(comparison_page({"a": (EVALUATION, odd), "b": (BETTER, even)}))
    assert "1 to 4 1.000 (1 rows) - 5 to 9 - 1.000 (1 rows) 10 and" in words


def test_jobs_that_were_tested_differently_are_to_be_compared_with_care() -> None:
    other = replace(EVALUATION, hyperparameters={"seed": 2})
    page = comparison_page({"a": (EVALUATION, None), "b": (other, None)})
    assert "compare with care" in page
    untested = replace(EVALUATION, test=None)
    assert "Job 2 has no test rows" in comparison_page(
        {"a": (EVALUATION, None), "b": (untested, None)}
    )


def test_more_jobs_than_charts_can_tell_apart_are_in_the_tables() -> None:
    many: Results = {f"job-{n}": (EVALUATION, NUMBERS) for n in range(8)}
    page = comparison_page(many)
    assert "Charts show the first 6 jobs" in page
    assert "job-7" in page


def test_names_from_outside_cannot_become_elements() -> None:
    hostile = "<img onerror=alert(1)>"
    settings = replace(EVALUATION, hyperparameters={hostile: hostile})
    bins = [Bin(hostile, 1, 1.0, (1.0, 1.0), 0.0)]
    numbers = replace(NUMBERS, by_user_ratings=bins)
    page = comparison_page({hostile: (settings, numbers), "b": (EVALUATION, None)})
    assert "<img" not in page
    assert "&lt;img" in page


def test_the_page_loads_nothing() -> None:
    page = comparison_page(TWO)
    assert not re.findall(r"https?:|//|src=|url\(|@import|<script|<link", page[20:])
