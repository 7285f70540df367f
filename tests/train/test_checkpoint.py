"""Interrupted jobs: killed at any moment, stopped, out of room, and checkpoints that
aren't theirs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from movielens.tables import MovieTable, RatingTable
from tests.train.conftest import FEATURES, StopAfter
from train.checkpoint import KEPT, Checkpoints, Stage, fingerprint_of
from train.errors import JobError
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.stop import StopSignal

MakeJob = Callable[..., Path]
TRAIN = Path(sys.executable).parent / "train"
# Rows and columns are drawn, and the rounds are searched before they are trained.
SAMPLED = {
    **{
        "num_round": "60",
        "max_depth": "3",
        "subsample": "0.6",
        "colsample_bytree": "0.5",
        "eta": "0.3",
    },
    **{
        "early_stopping_rounds": "10",
        "checkpoint_rounds": "3",
        "nthread": "1",
        "features": "statistics,clock",
    },
}


def run(base_dir: Path, stop: StopSignal | None = None) -> None:
    prepare(base_dir)
    train(TrainingJob.at(base_dir), stop or StopSignal())


def model(base_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (base_dir / "model").iterdir()}


def checkpoints(base_dir: Path) -> list[str]:
    return sorted(path.name for path in (base_dir / "checkpoints").iterdir())


@pytest.fixture
def make_kept_job(make_job: MakeJob) -> MakeJob:
    """A job with a directory for checkpoints, as a plain ``docker run`` would have it."""

    def make(hyperparameters: dict[str, str], **files: str) -> Path:
        base_dir = make_job(hyperparameters, **files)
        (base_dir / "checkpoints").mkdir()
        return base_dir

    return make


def test_checkpoints_change_nothing(make_kept_job: MakeJob, tmp_path: Path) -> None:
    base_dir = make_kept_job(SAMPLED)
    shutil.copytree(
        base_dir, tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoints")
    )
    run(base_dir)
    run(tmp_path / "bare")
    assert model(base_dir) == model(tmp_path / "bare")
    assert len(checkpoints(base_dir)) == KEPT


def test_stopped_again_and_again_ends_with_the_same_model(
    make_kept_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_kept_job(SAMPLED)
    shutil.copytree(base_dir, tmp_path / "whole")
    run(tmp_path / "whole")
    for rounds in (1, 4, 7, 5, 17, 2):
        run(base_dir, StopAfter(FEATURES + rounds))
        assert (
            json.loads((base_dir / "model" / "evaluation.json").read_bytes())[
                "booster"
            ]["stopped"]
            is True
        )
    run(base_dir)
    assert model(base_dir) == model(tmp_path / "whole")


def test_killed_at_random_moments_ends_with_the_same_model(
    make_kept_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_kept_job(
        {**SAMPLED, "num_round": "200", "eta": "0.05", "early_stopping_rounds": "200"}
    )
    shutil.copytree(base_dir, tmp_path / "whole")
    run(tmp_path / "whole")
    seconds = random.Random(5)
    killed = [
        killed_while_boosting(base_dir, seconds.uniform(0, 0.5)) for _ in range(4)
    ]
    assert any(killed)
    assert checkpoints(base_dir)
    subprocess.run([TRAIN], env=environment(base_dir), check=True, capture_output=True)
    assert model(base_dir) == model(tmp_path / "whole")


def environment(base_dir: Path) -> dict[str, str]:
    return {**os.environ, "SAGEMAKER_BASE_DIR": str(base_dir)}


def killed_while_boosting(base_dir: Path, seconds: float) -> bool:
    """Start the job and kill it so many seconds after its first round; False where it
    ended before that.
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
    ("settings", "difference"),
    [
        ({"eta": "0.2"}, r"hyperparameter eta was 0\.3, is 0\.2"),
        ({"num_round": "61"}, "hyperparameter num_round was 60, is 61"),
    ],
)
def test_checkpoints_of_other_hyperparameters_are_refused(
    make_kept_job: MakeJob, settings: dict[str, str], difference: str
) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(FEATURES + 4))
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({**SAMPLED, **settings})
    )
    with pytest.raises(JobError, match=difference):
        run(base_dir)


def test_checkpoints_of_other_data_are_refused(make_kept_job: MakeJob) -> None:
    base_dir = make_kept_job({**SAMPLED, "split": "none"})
    run(base_dir, StopAfter(FEATURES + 4))
    with (base_dir / "input" / "data" / "training" / "ratings.csv").open("a") as file:
        file.write("21,1,4.0,964982703\n")
    with pytest.raises(
        JobError,
        match=r"training data was 3219 ratings with SHA-256 .*, is 3220 ratings",
    ):
        run(base_dir)


def test_what_does_not_shape_the_model_may_differ(make_kept_job: MakeJob) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(FEATURES + 4))
    more = {
        **SAMPLED,
        "save_predictions": "true",
        "checkpoint_rounds": "7",
        "decision": "median",
    }
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps(more)
    )
    run(base_dir)


def test_a_directory_without_room_fails_and_keeps_what_is_there(
    make_kept_job: MakeJob,
) -> None:
    base_dir = make_kept_job(SAMPLED)
    run(base_dir, StopAfter(FEATURES + 4))
    before = {
        name: (base_dir / "checkpoints" / name).read_bytes()
        for name in checkpoints(base_dir)
    }
    # The kernel lets no file grow beyond this, as on a full disk.
    limited = f"ulimit -f 2; exec {TRAIN}"
    result = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"],
        env=environment(base_dir),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1
    assert "can't write the checkpoint" in (base_dir / "output" / "failure").read_text()
    assert {
        name: (base_dir / "checkpoints" / name).read_bytes()
        for name in checkpoints(base_dir)
    } == before


def test_the_platforms_path_is_used(make_job: MakeJob, tmp_path: Path) -> None:
    base_dir = make_job(SAMPLED)
    config = base_dir / "input" / "config" / "checkpointconfig.json"
    config.write_text(json.dumps({"LocalPath": "/opt/ml/checkpoints"}))
    assert TrainingJob.at(base_dir).checkpoint_dir == base_dir / "checkpoints"
    config.write_text(json.dumps({"LocalPath": str(tmp_path / "elsewhere")}))
    assert TrainingJob.at(base_dir).checkpoint_dir == tmp_path / "elsewhere"
    config.write_text(json.dumps({"LocalPath": 3}))
    with pytest.raises(JobError, match="LocalPath 3, expected a path"):
        TrainingJob.at(base_dir)


# The files themselves


def stage(n_rounds: int) -> dict[str, Stage]:
    return {
        "final": Stage(
            b"%d" % n_rounds, n_rounds, complete=False, losses=(0.5,) * n_rounds
        )
    }


def saved(directory: Path, *rounds: int) -> Checkpoints:
    checkpoints = Checkpoints.open(directory, {"a": "1"}, 10)
    for n_rounds in rounds:
        checkpoints.save("final", stage(n_rounds)["final"])
    return checkpoints


def test_the_newest_by_number_is_found_and_old_ones_go(tmp_path: Path) -> None:
    saved(tmp_path, 90, 100, 20, 110)
    assert Checkpoints.open(tmp_path, {"a": "1"}, 10).stages == stage(110)
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(tmp_path, 10, 20)
    (tmp_path / "checkpoint-20.zip").write_bytes(
        (tmp_path / "checkpoint-20.zip").read_bytes()[:50]
    )
    assert Checkpoints.open(tmp_path, {"a": "1"}, 10).stages == stage(10)
    assert "checkpoint-20.zip is damaged" in caplog.text


def test_a_file_in_upload_stays_until_it_is_uploaded(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 20)
    (tmp_path / "checkpoint-10.zip.sagemaker-uploading").touch()
    checkpoints.save("final", stage(30)["final"])
    assert (tmp_path / "checkpoint-10.zip").exists()
    (tmp_path / "checkpoint-10.zip.sagemaker-uploaded").touch()
    checkpoints.save("final", stage(40)["final"])
    assert not (tmp_path / "checkpoint-10.zip").exists()
    assert not (tmp_path / "checkpoint-10.zip.sagemaker-uploaded").exists()


def test_what_was_left_unfinished_goes(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-7.zip.unfinished").touch()
    assert Checkpoints.open(tmp_path, {}, 10).stages == {}
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="can't use the checkpoint directory"):
        Checkpoints.open(tmp_path / "file", {}, 10)


def test_the_fingerprint_tells_every_value(
    ratings: RatingTable, movies: MovieTable
) -> None:
    first = fingerprint_of({"eta": 0.1}, {"numpy": "2"}, ratings, movies)
    assert first == fingerprint_of({"eta": 0.1}, {"numpy": "2"}, ratings, movies)
    stars = ratings.rating.copy()
    stars[7] = 5.5 - stars[7]
    other = RatingTable.of(ratings.user_id, ratings.movie_id, stars, ratings.timestamp)
    assert (
        first["training data"] != fingerprint_of({}, {}, other, movies)["training data"]
    )
