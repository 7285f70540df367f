"""Writes the report of a job; never fails the job."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from movielens import durable
from train.html_report.material import Material
from train.html_report.page import make_page

logger = logging.getLogger(__name__)

# The file's name, in ``output/data``.
REPORT = "report.html"


def write_report(path: Path, material: Material) -> bool:
    """Write the report to a file.

    The model is worth more than its report: whatever goes wrong here is logged, and
    the job goes on.

    Returns:
        Whether it is written.
    """
    began = time.monotonic()
    try:
        durable.write_whole(path, make_page(material).encode())
    except Exception:  # whatever it is, the model is there
        logger.exception("no report: %s can't be made; the model isn't affected", path)
        return False
    logger.info("report in %s, made in %.1f s", path, time.monotonic() - began)
    return True
