"""Writes the report of a job; never fails the job."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from movielens import durable
from movielens.report_numbers import REPORT_NUMBERS
from train.html_report.material import Material
from train.html_report.numbers import measure
from train.html_report.page import make_page

logger = logging.getLogger(__name__)

# The file's name, in ``output/data``.
REPORT = "report.html"


def write_report(path: Path, material: Material) -> bool:
    """Write the report to a file, and the numbers that were measured for it beside it.

    The model is worth more than its report: whatever goes wrong here is logged, and
    the job goes on.

    Returns:
        Whether it is written.
    """
    began = time.monotonic()
    try:
        numbers = measure(material)
        page = make_page(material, numbers)
        text = json.dumps(numbers.to_json(), allow_nan=False)
        durable.write_whole(path, page.encode())
        durable.write_whole(path.with_name(REPORT_NUMBERS), text.encode())
    except Exception:  # whatever it is, the model is there
        logger.exception("no report: %s can't be made; the model isn't affected", path)
        return False
    logger.info("report in %s, made in %.1f s", path, time.monotonic() - began)
    return True
