from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from movielens.report_numbers import ReportNumbers
from train.html_report.material import Material
from train.html_report.report import write_report


def test_the_report_and_its_numbers_are_written_and_said(
    material: Material,
    numbers: ReportNumbers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "report.html"
    with caplog.at_level(logging.INFO):
        assert write_report(path, material)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert f"report in {path}" in caplog.text
    beside = json.loads((tmp_path / "report.json").read_text())
    assert ReportNumbers.from_json(beside) == numbers


def test_a_fault_in_the_report_is_logged_and_nothing_else(
    material: Material, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(material, predictions=material.predictions.take([]))  # type: ignore[arg-type]
    assert not write_report(tmp_path / "report.html", broken)
    assert not write_report(tmp_path / "absent" / "report.html", material)
    assert caplog.text.count("the model isn't affected") == 2
    assert not list(tmp_path.iterdir())
