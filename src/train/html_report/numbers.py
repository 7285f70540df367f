"""Measures what ``report.json`` holds: the learning curve, and errors by numbers of
ratings.
"""

from __future__ import annotations

from movielens.report_numbers import ReportNumbers
from train.html_report.errors import EvaluatedRows
from train.html_report.learning import learning_curve
from train.html_report.material import Material


def measure(material: Material) -> ReportNumbers:
    """The numbers of a report, each on a bounded number of test rows."""
    if not len(material.test):
        return ReportNumbers()
    rows = EvaluatedRows.of(material.model, material.test, material.predictions)
    return ReportNumbers(
        learning_curve(
            material.model,
            material.booster,
            material.evaluation.booster.main_rounds,
            material.test,
        ),
        rows.by_user_count(material.train),
        rows.by_movie_count(material.train),
    )
