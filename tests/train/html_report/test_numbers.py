from __future__ import annotations

from dataclasses import replace

import numpy as np

from movielens.report_numbers import ReportNumbers
from train.html_report.material import Material
from train.html_report.numbers import measure


def test_bins_share_out_all_test_rows(
    material: Material, numbers: ReportNumbers
) -> None:
    for bins in (numbers.by_user_ratings, numbers.by_movie_ratings):
        assert sum(each.n_rows for each in bins) == len(material.test)
    n_rounds, _ = numbers.learning_curve[-1]
    assert n_rounds == material.evaluation.booster.num_round


def test_nothing_is_measured_without_test_rows(material: Material) -> None:
    no_rows = replace(material, test=material.test.take(np.arange(0)))
    assert measure(no_rows) == ReportNumbers()
