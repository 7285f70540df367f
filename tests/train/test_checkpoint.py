"""Interrupted jobs, which were killed at any moment, stopped, or out of disk; and the
checkpoints of other jobs.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from movielens.tables import MovieTable, RatingTable
from tests.train.conftest import (
    ASKED_BEFORE_BOOSTING,
    StopAfter,
    configure,
    model_files,
)
from train.checkpoint import KEPT, Checkpoints, Stage, fingerprint_of
from train.errors import JobError
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.stop import StopSignal

MakeJob = Callable[..., Path]
TRAIN = Path(sys.executable).parent / "train"
# Rows and columns are drawn at random, and early stopping finds the number of rounds.
SAMPLED = {
    "num_round": "60",
    "max_depth": "3",
    "subsample": "0.6",
    "colsample_bytree": "0.5",
    "eta": "0.3",
    "early_stopping_rounds": "10",
    "checkpoint_rounds": "3",
    "nthread": "1",
    "features": "statistics,clock,era",
}
AFTER_FOUR_ROUNDS = ASKED_BEFORE_BOOSTING + 4


def run(base_dir: Path, stop: StopSignal | None = None) -> None:
    prepare(base_dir)
    train(TrainingJob.at(base_dir), stop or StopSignal())


def checkpoint_files(base_dir: Path) -> dict[str, bytes]:
    files = (base_dir / "checkpoints").iterdir()
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def make_kept_job(make_job: MakeJob) -> MakeJob:
    """A job with a checkpoint directory, as a plain ``docker run`` would have it."""

    def make(hyperparameters: dict[str, str], **files: str) -> Path:
        base_dir = make_job(hyperparameters, **files)
        (base_dir / "checkpoints").mkdir()
        return base_dir

    return make


def test_checkpoints_do_not_change_the_model(
    make_kept_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_kept_job(SAMPLED)
    without = tmp_path / "without"
    shutil.copytree(base_dir, without)
    (without / "checkpoints").rmdir()
    run(base_dir)
    run(without)
    assert model_files(base_dir) == model_files(without)
    assert len(checkpoint_files(base_dir)) == KEPT


def test_a_job_that_is_stopped_often_ends_with_the_same_model(
    make_kept_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_kept_job(SAMPLED)
    never_stopped = tmp_path / "never-stopped"
    shutil.copytree(base_dir, never_stopped)
    run(never_stopped)
    for n_rounds in (1, 4, 7, 5, 17, 2):
        run(base_dir, StopAfter(ASKED_BEFORE_BOOSTING + n_rounds))
        evaluation = json.loads(model_files(base_dir)["evaluation.json"])
        assert evaluation["booster"]["stopped"] is True
    run(base_dir)
    assert model_files(base_dir) == model_files(never_stopped)


def test_a_job_that_is_killed_at_random_ends_with_the_same_model(
    make_kept_job: MakeJob, tmp_path: Path
) -> None:
    long = {"num_round": "200", "eta": "0.05", "early_stopping_rounds": "200"}
    base_dir = make_kept_job({**SAMPLED, **long})
    never_killed = tmp_path / "never-killed"
    shutil.copytree(base_dir, never_killed)
    run(never_killed)

    rng = random.Random(5)
    was_killed = [kill_while_boosting(base_dir, rng.uniform(0, 0.5)) for _ in range(4)]
    assert any(was_killed)
    assert checkpoint_files(base_dir)
    subprocess.run([TRAIN], env=environment(base_dir), check=True, capture_output=True)
    assert model_files(base_dir) == model_files(never_killed)


def environment(base_dir: Path) -> dict[str, str]:
    return {**os.environ, "SAGEMAKER_BASE_DIR": str(base_dir)}


def kill_while_boosting(base_dir: Path, seconds: float) -> bool:
    """Start the job, and kill it so many seconds after its first round.

    False if it ended before that.
    """
    log = base_dir / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [TRAIN], env=environment(base_dir), stdout=out, stderr=subprocess.STDOUT
        )
        while " rounds/s" not in log.read_text() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(seconds)
        process.kill()
        return process.wait() != 0


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"eta": "0.2"}, r"hyperparameter eta was 0\.3, is 0\.2"),
        ({"num_round": "61"}, "hyperparameter num_round was 60, is 61"),
    ],
)
def test_checkpoints_of_other_hyperparameters_are_refused(
    make_kept_job: MakeJob, changed: dict[str, str], difference: str
) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(AFTER_FOUR_ROUNDS))
    configure(base_dir, "hyperparameters", {**SAMPLED, **changed})
    with pytest.raises(JobError, match=difference):
        run(base_dir)


def test_checkpoints_of_other_data_are_refused(make_kept_job: MakeJob) -> None:
    base_dir = make_kept_job({**SAMPLED, "split": "none"})
    run(base_dir, StopAfter(AFTER_FOUR_ROUNDS))
    with (base_dir / "input" / "data" / "training" / "ratings.csv").open("a") as file:
        file.write("21,1,4.0,964982703\n")
    with pytest.raises(
        JobError,
        match=r"training data was 3219 ratings with SHA-256 .*, is 3220 ratings",
    ):
        run(base_dir)


def test_hyperparameters_that_do_not_shape_the_model_may_differ(
    make_kept_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(AFTER_FOUR_ROUNDS))
    changed = {"save_predictions": "true", "checkpoint_rounds": "7", "decision": "mean"}
    configure(base_dir, "hyperparameters", {**SAMPLED, **changed})
    with caplog.at_level("INFO"):
        run(base_dir)
    assert "resuming from" in caplog.text


def test_a_full_disk_fails_the_job_and_keeps_the_old_checkpoints(
    make_kept_job: MakeJob,
) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(AFTER_FOUR_ROUNDS))
    before = checkpoint_files(base_dir)
    # The kernel lets no file grow beyond this.
    limited = f"ulimit -f 2; exec {TRAIN}"
    result = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"],
        env=environment(base_dir),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1
    assert "can't write the checkpoint" in (base_dir / "output" / "failure").read_text()
    assert checkpoint_files(base_dir) == before


# The files themselves


FINGERPRINT = {"a": "1"}


def stage(n_rounds: int) -> Stage:
    losses = (0.5,) * n_rounds
    return Stage(b"%d" % n_rounds, n_rounds, complete=False, losses=losses)


def saved(directory: Path, *rounds: int) -> Checkpoints:
    """A directory with a checkpoint after each of these rounds."""
    checkpoints = Checkpoints(directory, FINGERPRINT)
    for n_rounds in rounds:
        checkpoints.save("final", stage(n_rounds))
    return checkpoints


def restored(directory: Path) -> dict[str, Stage]:
    checkpoints = Checkpoints(directory, FINGERPRINT)
    checkpoints.restore()
    return checkpoints.stages


def test_the_newest_by_number_is_restored_and_old_ones_go(tmp_path: Path) -> None:
    saved(tmp_path, 90, 100, 20, 110)
    assert restored(tmp_path) == {"final": stage(110)}
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_damaged_checkpoint_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(tmp_path, 10, 20)
    newest = tmp_path / "checkpoint-20.zip"
    newest.write_bytes(newest.read_bytes()[:50])
    assert restored(tmp_path) == {"final": stage(10)}
    assert "checkpoint-20.zip is damaged" in caplog.text


def checkpoint_of(state: str, booster: bytes = b"", compression: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("state.json", state)
        archive.writestr("final.ubj", booster)
    return buffer.getvalue()


STAGE = '{"fingerprint": {}, "stages": {"final": %s}}'


@pytest.mark.parametrize(
    "data",
    [
        checkpoint_of("[" * 200_000),
        checkpoint_of('{"fingerprint": ' + "[" * 500 + "]" * 500 + "}"),
        checkpoint_of("[]"),
        checkpoint_of('{"fingerprint": {}, "stages": []}'),
        checkpoint_of('{"fingerprint": {"a": NaN}, "stages": {}}'),
        checkpoint_of('{"fingerprint": {"a": "\\ud800"}, "stages": {}}'),
        checkpoint_of(STAGE % '{"n_rounds": "9", "complete": true, "losses": []}'),
        checkpoint_of(STAGE % '{"n_rounds": 9, "complete": 1, "losses": []}'),
        checkpoint_of(STAGE % '{"n_rounds": 9, "complete": true, "losses": ["1"]}'),
        checkpoint_of(STAGE % '{"n_rounds": 9, "complete": true, "losses": [1]}'),
        checkpoint_of(STAGE % ("9" * 5000)),
        checkpoint_of("{}", bytes(10_000_000), zipfile.ZIP_DEFLATED),
    ],
)
def test_an_odd_checkpoint_is_skipped(
    tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    saved(tmp_path, 10)
    (tmp_path / "checkpoint-20.zip").write_bytes(data)
    assert restored(tmp_path) == {"final": stage(10)}
    assert "checkpoint-20.zip is damaged" in caplog.text


def test_a_pipe_with_the_name_of_a_checkpoint_is_skipped(tmp_path: Path) -> None:
    saved(tmp_path, 10)
    os.mkfifo(tmp_path / "checkpoint-20.zip")
    assert restored(tmp_path) == {"final": stage(10)}


def test_a_number_that_is_too_long_or_of_other_digits_is_no_checkpoint(
    tmp_path: Path,
) -> None:
    saved(tmp_path, 10)
    (tmp_path / f"checkpoint-{'9' * 200}.zip").touch()
    (tmp_path / "checkpoint-٣.zip").touch()
    assert restored(tmp_path) == {"final": stage(10)}


def test_a_file_stays_until_its_upload_has_ended(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 20)
    oldest = tmp_path / "checkpoint-10.zip"
    uploaded = tmp_path / "checkpoint-10.zip.sagemaker-uploaded"
    (tmp_path / "checkpoint-10.zip.sagemaker-uploading").touch()
    checkpoints.save("final", stage(30))
    assert oldest.exists()
    uploaded.touch()
    checkpoints.save("final", stage(40))
    assert not oldest.exists()
    assert not uploaded.exists()


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-7.zip.unfinished").touch()
    assert restored(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="can't use the checkpoint directory"):
        restored(tmp_path / "file")


def test_another_host_goes_on_from_what_was_packed(tmp_path: Path) -> None:
    packed = saved(tmp_path, 10).packed()
    other = Checkpoints()
    other.unpack(packed)
    assert other.stages == {"final": stage(10)}


def test_checkpoints_are_due_only_with_a_directory(tmp_path: Path) -> None:
    with_directory = Checkpoints(tmp_path, every=5)
    assert [n for n in range(1, 12) if with_directory.are_due(n)] == [5, 10]
    assert not Checkpoints(every=5).are_due(5)


def test_the_fingerprint_depends_on_every_value(
    ratings: RatingTable, movies: MovieTable
) -> None:
    def fingerprint(eta: float, table: RatingTable) -> dict[str, str]:
        return fingerprint_of({"eta": eta}, {"numpy": "2"}, table, movies)

    changed_rating = ratings.rating.copy()
    changed_rating[7] = 5.5 - changed_rating[7]
    changed = RatingTable.of(
        ratings.user_id, ratings.movie_id, changed_rating, ratings.timestamp
    )
    first = fingerprint(0.1, ratings)
    assert fingerprint(0.1, ratings) == first
    assert fingerprint(0.2, ratings) != first
    assert fingerprint(0.1, changed)["training data"] != first["training data"]
