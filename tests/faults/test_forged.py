"""Boosters that somebody has forged, where a job goes on from them.

XGBoost's reader would end the job before it could say why.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from movielens import artifact
from tests.faults.jobs import Jobs
from tests.forging import crashing, forge_checkpoint, make_crashing, with_tree
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow

REASON = (
    "the model of channel model: loading it ends its process (SIGSEGV): the files "
    "aren't what training wrote"
)


def leading_nowhere(booster: bytes) -> bytes:
    """XGBoost reads this one, and follows a node out of memory when it predicts."""
    return with_tree(booster, "left_children", node=0, value=10**8)


@pytest.mark.parametrize("name", [artifact.BOOSTER, artifact.REGRESSION])
def test_a_forged_model_to_go_on_from_ends_the_job_with_a_reason(
    base_dir: Path, jobs: Jobs, done_job: Path, name: str
) -> None:
    channel = base_dir / "input" / "data" / "model"
    shutil.copytree(done_job / "model", channel)
    make_crashing(channel, name)
    configure(base_dir, "inputdataconfig", {"training": {}, "model": {}})
    end = jobs.run(base_dir)
    assert end.code == 1, end.log
    assert end.failure.startswith(REASON)
    assert model_files(base_dir) == {}


def test_a_forged_model_in_an_archive_ends_it_too(
    base_dir: Path, jobs: Jobs, done_job: Path
) -> None:
    forged = shutil.copytree(done_job / "model", base_dir / "forged")
    make_crashing(forged)
    archive = base_dir / "input" / "data" / "model" / "model.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(forged, arcname=".")
    configure(base_dir, "inputdataconfig", {"training": {}, "model": {}})
    end = jobs.run(base_dir)
    assert end.code == 1, end.log
    assert end.failure.startswith(REASON)


@pytest.mark.parametrize("forge", [crashing, leading_nowhere])
def test_a_forged_checkpoint_is_passed_over(
    boosted_dir: Path,
    jobs: Jobs,
    undisturbed: dict[str, bytes],
    forge: Callable[[bytes], bytes],
) -> None:
    paths = sorted((boosted_dir / "checkpoints").iterdir())
    assert len(paths) > 1
    for path in paths:
        forge_checkpoint(path, forge)
    end = jobs.run(boosted_dir)
    assert end.code == 0, end.log
    for path in paths:
        assert f"{path} is damaged (" in end.log
    assert model_files(boosted_dir) == undisturbed
