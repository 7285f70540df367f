"""Jobs that are gone in the middle of something. The next run makes up for it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.manifest import MANIFEST
from tests.faults.jobs import Fault, Jobs, cut_off, kill
from tests.faults.moments import KILLED
from tests.train.conftest import model_files

pytestmark = pytest.mark.slow

MODEL_FILES = (
    artifact.BOOSTER,
    artifact.FOREST,
    artifact.REGRESSION,
    artifact.REGRESSION_FOREST,
    artifact.FEATURES,
    artifact.SELF_TEST,
    artifact.EVALUATION,
    MANIFEST,
)


@pytest.mark.parametrize("moment", KILLED)
def test_a_job_that_is_killed_ends_with_the_same_model(
    base_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes], moment: str
) -> None:
    expect_death(jobs, base_dir, KILLED[moment])
    assert not is_model(base_dir)

    end = jobs.run(base_dir)
    assert end.code == 0, end.log
    assert model_files(base_dir) == undisturbed


def test_a_model_is_none_before_all_of_it_is_written(
    boosted_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    faults = [Fault("opens", f"model/{name}", cut_off) for name in MODEL_FILES[:-1]]
    unfinished = f"model/{MANIFEST}.unfinished"
    faults.append(Fault("opens", unfinished, cut_off))
    faults.append(Fault("renames", f"model/{MANIFEST}", kill))
    for fault in faults:
        expect_death(jobs, boosted_dir, fault)
        assert not is_model(boosted_dir)

    end = jobs.run(boosted_dir)
    assert end.code == 0, end.log
    assert model_files(boosted_dir) == undisturbed


def test_a_job_that_is_killed_after_its_model_leaves_all_of_it(
    boosted_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    expect_death(jobs, boosted_dir, Fault("opens", "output/success", kill))
    assert model_files(boosted_dir) == undisturbed


def expect_death(jobs: Jobs, base_dir: Path, fault: Fault) -> None:
    end = jobs.run(base_dir, fault)
    assert end.code in (-signal.SIGKILL, -signal.SIGXFSZ), end.log


def is_model(base_dir: Path) -> bool:
    """Whether the server would take it for a model."""
    try:
        artifact.read(base_dir / "model")
    except ArtifactError:
        return False
    return True
