"""Disks that are full or can't be written, as file systems that only the job sees."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from tests.faults.jobs import AFTERWARDS, TEMPORARY, End, Fault, Jobs, Mount, lose_log
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow

FULL = "No space left on device"
READ_ONLY = "Read-only file system"


def test_a_disk_too_small_for_the_model_is_named_and_has_no_model(
    boosted_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    end = jobs.run(boosted_dir, mounts=[Mount("model", n_bytes=2**18)])
    expect_reason(end, f"can't write the model to {boosted_dir / 'model'}: {FULL}")
    written = {path.name for path in (boosted_dir / AFTERWARDS / "model").iterdir()}
    assert "booster.ubj" in written
    assert "manifest.json" not in written

    assert jobs.run(boosted_dir).code == 0
    assert model_files(boosted_dir) == undisturbed


def test_a_disk_too_small_for_checkpoints_is_named_and_keeps_whole_ones(
    base_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    end = jobs.run(base_dir, mounts=[Mount("checkpoints", n_bytes=2**18)])
    expect_reason(end, f"can't write the checkpoint {base_dir / 'checkpoints'}", FULL)
    kept = base_dir / AFTERWARDS / "checkpoints"
    names = [path.name for path in kept.iterdir()]
    assert names
    assert all(name.endswith(".zip") for name in names)

    shutil.copytree(kept, base_dir / "checkpoints", dirs_exist_ok=True)
    end = jobs.run(base_dir)
    assert "resuming from" in end.log
    assert model_files(base_dir) == undisturbed


def test_a_disk_too_small_for_the_evaluation_is_named_and_there_is_no_model(
    boosted_dir: Path, jobs: Jobs
) -> None:
    end = jobs.run(boosted_dir, mounts=[Mount("output/data", n_bytes=2**12)])
    path = boosted_dir / "output" / "data" / "evaluation.json"
    expect_reason(end, f"can't write {path}: {FULL}")
    assert model_files(boosted_dir) == {}


def test_a_disk_too_full_for_the_reason_leaves_it_in_the_log(
    boosted_dir: Path, jobs: Jobs
) -> None:
    end = jobs.run(boosted_dir, mounts=[Mount("output", n_bytes=2**12)])
    assert end.code == 1
    path = boosted_dir / "output" / "data" / "evaluation.json"
    assert f"can't write {path}: {FULL}" in end.log
    assert model_files(boosted_dir) == {}


@pytest.mark.parametrize("directory", ["model", "output"])
def test_a_directory_that_cannot_be_written_is_named_before_any_work(
    boosted_dir: Path, jobs: Jobs, directory: str
) -> None:
    end = jobs.run(boosted_dir, mounts=[Mount(directory)])
    assert end.code == 1
    assert f"can't prepare {boosted_dir}" in end.log
    assert READ_ONLY in end.log
    assert "read 3219 ratings" not in end.log


def test_checkpoints_that_cannot_be_written_are_named_before_the_rounds(
    base_dir: Path, jobs: Jobs
) -> None:
    end = jobs.run(base_dir, mounts=[Mount("checkpoints")])
    directory = base_dir / "checkpoints"
    expect_reason(
        end, f"can't use the checkpoint directory {directory}: it can't be written"
    )
    assert "features of" not in end.log
    assert model_files(base_dir) == {}


@pytest.mark.parametrize("absent", [(), ("inputdataconfig", "resourceconfig")])
def test_an_input_that_cannot_be_written_makes_no_difference(
    boosted_dir: Path,
    jobs: Jobs,
    undisturbed: dict[str, bytes],
    absent: tuple[str, ...],
) -> None:
    for name in absent:
        (boosted_dir / "input" / "config" / f"{name}.json").unlink()
    end = jobs.run(boosted_dir, mounts=[Mount("input")])
    assert end.code == 0, end.log
    assert model_files(boosted_dir) == undisturbed


def test_a_log_that_cannot_be_written_makes_no_difference(
    boosted_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    end = jobs.run(boosted_dir, Fault("opens", "ratings.csv", lose_log))
    assert end.code == 0
    assert "ratings" not in end.log
    assert model_files(boosted_dir) == undisturbed


def test_a_disk_too_small_to_unpack_a_model_is_named(
    base_dir: Path, jobs: Jobs, done_job: Path
) -> None:
    archive = base_dir / "input" / "data" / "model" / "model.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(done_job / "model", arcname=".")
    configure(base_dir, "inputdataconfig", {"training": {}, "model": {}})
    end = jobs.run(base_dir, mounts=[Mount(TEMPORARY, n_bytes=2**16)])
    expect_reason(end, f"can't unpack {archive}: {FULL} (into {base_dir / TEMPORARY}")


def expect_reason(end: End, *parts: str) -> None:
    assert end.code == 1, end.log
    for part in parts:
        assert part in end.failure
