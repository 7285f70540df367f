"""The page: the sections of the report in one file."""

from __future__ import annotations

from movielens.pages.document import make_document
from movielens.report_numbers import ReportNumbers
from train.html_report.material import Material
from train.html_report.sections import everything


def make_page(material: Material, numbers: ReportNumbers) -> str:
    """All of the file.

    Args:
        material: what the report is made from.
        numbers: those that were measured for it.
    """
    title = "Training report"
    if material.job:
        title += f": {material.job}"
    return make_document(title, everything(material, numbers))
