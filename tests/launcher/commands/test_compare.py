from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from movielens.evaluation import Evaluation
from tests.examples import EVALUATION, FIGURES, NUMBERS
from tests.launcher.commands.conftest import output_archive, store_outputs
from tests.launcher.conftest import AwsServer, Launcher, create_training_job

OTHER = replace(
    EVALUATION,
    test=replace(FIGURES, rmse=0.9),
    hyperparameters={"eta": 0.1, "seed": 2},
)


@pytest.fixture
def two(aws: AwsServer, trained: str) -> tuple[str, str]:
    """The names of two completed jobs."""
    other = "halfstar-other"
    create_training_job(aws, other)
    store_outputs(aws, other, output_archive(OTHER))
    return trained, other


def test_jobs_are_put_side_by_side(launcher: Launcher, two: tuple[str, str]) -> None:
    result = launcher("compare", *two, "--no-open")
    assert result.code == 0, result.err
    header, *lines = result.out.splitlines()
    assert header.split() == [*two]
    rows = {line.split("  ")[0]: line.split()[1:] for line in lines}
    assert rows["RMSE"] == ["1.1000", "0.9000", "*"]
    assert rows["eta"] == ["-", "0.1"]
    assert "compare with care" in result.err


def test_the_evaluations_are_given_as_json(
    launcher: Launcher, two: tuple[str, str]
) -> None:
    result = launcher("compare", *two, "--no-open", "--json").json
    assert Evaluation.from_json(result[two[1]]) == OTHER


def test_the_page_of_the_comparison_is_opened(
    launcher: Launcher, two: tuple[str, str], opened: Path
) -> None:
    result = launcher("compare", *two)
    assert result.code == 0, result.err
    path = Path("comparison.html").resolve()
    assert "the page is comparison.html" in result.err
    assert opened.read_text() == path.as_uri()
    page = path.read_text(encoding="utf-8")
    assert all(name in page for name in two)
    assert "Learning curves" not in page


def test_what_the_reports_measured_is_drawn(
    launcher: Launcher, aws: AwsServer, two: tuple[str, str]
) -> None:
    outputs = output_archive(OTHER, numbers=NUMBERS)
    store_outputs(aws, two[1], outputs)
    result = launcher("compare", *two, "--no-open", "--page", "mine.html")
    assert result.code == 0, result.err
    page = Path("mine.html").read_text(encoding="utf-8")
    assert "Learning curves" in page
    assert "Not shown: job 1" in page


def test_numbers_that_another_version_wrote_are_refused(
    launcher: Launcher, aws: AwsServer, two: tuple[str, str]
) -> None:
    broken = replace(NUMBERS, learning_curve=[("one", 2.0)])  # type: ignore[list-item]
    store_outputs(aws, two[1], output_archive(OTHER, numbers=broken))
    result = launcher("compare", *two, "--no-open")
    assert result.code == 1
    assert "report.json isn't one that this version reads" in result.err
