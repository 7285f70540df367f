"""The whole page, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from movielens.predictions import Predictions
from movielens.report_numbers import ReportNumbers
from tests.train.html_report.conftest import with_evaluation
from train.html_report.material import Material
from train.html_report.numbers import measure
from train.html_report.page import make_page
from train.html_report.sections import training

MOST_BYTES = 1_500_000


class Balanced(HTMLParser):
    """Fails at an end tag that ends another element; counts elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(material: Material, numbers: ReportNumbers) -> str:
    return make_page(material, numbers)


def test_every_figure_has_its_table(page: str) -> None:
    counts = Balanced(page).counts
    assert counts["svg"] == counts["details"] == counts["h3"] == 13
    assert counts["table"] > counts["svg"]


def test_the_page_loads_nothing(page: str) -> None:
    assert not re.findall(r"https?:|//|src=|url\(|@import|<script|<link", page[20:])
    assert "default-src &#x27;none&#x27;" in page


def test_the_headline_names_the_best_baseline(page: str, material: Material) -> None:
    test = material.evaluation.test
    assert test is not None
    assert f"off by {test.mae:.2f} stars on average" in page
    best = min(each.rmse for each in material.evaluation.baselines.values())
    gain = 100 * (1 - test.rmse / best)
    assert f"{abs(gain):.1f}% {'below' if gain >= 0 else 'above'}" in (page)


def test_early_stopping_is_drawn_with_the_round_that_it_chose(
    material: Material, numbers: ReportNumbers
) -> None:
    chart = training(material, numbers)
    assert "rows for early stopping" in chart
    assert "chosen: 6" in chart


def test_names_from_outside_cannot_become_elements(
    material: Material, numbers: ReportNumbers
) -> None:
    hostile = "<img onerror=alert(1)>"
    data = replace(material.evaluation.data, files=[hostile], dropped={hostile: 1})
    named = replace(with_evaluation(material, data=data), job=hostile)
    page = make_page(named, numbers)
    assert "<img" not in page
    assert page.count("&lt;img onerror=alert(1)&gt;") == 4


def test_the_same_job_gives_the_same_bytes(page: str, material: Material) -> None:
    assert make_page(material, measure(material)) == page


def test_a_job_without_test_rows_has_a_report(material: Material) -> None:
    no_rows = material.test.take(np.arange(0))
    nothing = with_evaluation(material, test=None, baselines={})
    predictions = material.predictions.take(np.arange(0))
    empty = replace(nothing, test=no_rows, predictions=predictions)
    page = make_page(empty, measure(empty))
    Balanced(page)
    assert "There are no test rows" in page
    assert "Where it errs" not in page


def test_a_stopped_job_says_so(material: Material, numbers: ReportNumbers) -> None:
    rounds = replace(material.evaluation.booster, stopped=True)
    stopped = with_evaluation(material, booster=rounds)
    assert "stopped early" in make_page(stopped, numbers)


def test_a_million_rows_give_no_larger_page(page: str, material: Material) -> None:
    many = np.resize(np.arange(len(material.test)), 1_000_000)
    predictions = material.predictions
    assert predictions.estimate is not None
    larger = replace(
        material,
        train=material.train.take(np.resize(np.arange(300), 1_000_000)),
        test=material.test.take(many),
        predictions=Predictions(
            predictions.probabilities[many],
            predictions.class_values,
            estimate=predictions.estimate[many],
        ),
    )
    size = len(make_page(larger, measure(larger)).encode())
    assert size < MOST_BYTES
    assert size < 1.1 * len(page.encode())
