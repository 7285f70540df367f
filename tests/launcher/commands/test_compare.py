from __future__ import annotations

from dataclasses import replace

import pytest

from movielens.evaluation import Evaluation
from tests.examples import EVALUATION, FIGURES
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
    result = launcher("compare", *two)
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
    result = launcher("compare", *two, "--json").json
    assert Evaluation.from_json(result[two[1]]) == OTHER
