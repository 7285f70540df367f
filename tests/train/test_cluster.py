"""Several hosts for real: one process a host, each with an ``/opt/ml`` of its own, on
addresses of this machine.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from movielens.errors import DataError
from tests.train.conftest import configure, model_files
from train.cluster import ALONE

MakeJob = Callable[..., Path]
TRAIN = Path(sys.executable).parent / "train"
QUICK = {
    "num_round": "12",
    "max_depth": "3",
    "nthread": "1",
    "subsample": "0.6",
    "colsample_bytree": "0.5",
    "checkpoint_rounds": "3",
    "features": "statistics,factors,era,recency",
    "split": "random",
}
# Which files of the sharded job each of three hosts has.
SHARDS = (("ratings-0.csv",), ("movies.csv", "ratings-1.csv"), ("ratings-2.csv",))
# The second host has no ratings.
UNEVEN_SHARDS = (
    ("ratings-0.csv", "ratings-2.csv"),
    ("movies.csv",),
    ("ratings-1.csv",),
)
_NETWORKS = itertools.count(1)


class HostProcesses:
    """Processes that stand for the hosts of one job."""

    def __init__(self, directory: Path, n_hosts: int) -> None:
        # All of 127.0.0.0/8 is this machine. So each host has an address of its own,
        # and its port to itself.
        network = f"127.{os.getpid() % 250 + 1}.{next(_NETWORKS)}"
        numbers = range(1, n_hosts + 1)
        self.names = [f"{network}.{number}" for number in numbers]
        self.base_dirs = [
            directory / f"host-{number}"  # each an /opt/ml
            for number in numbers
        ]
        self.processes: list[subprocess.Popen[bytes]] = []

    def lay_out(
        self, source: Path, shards: Sequence[Sequence[str]] | None = None
    ) -> None:
        """Copy the job to all hosts.

        Each host gets the files of its shard, or all files without shards.
        """
        distribution = "ShardedByS3Key" if shards else "FullyReplicated"
        declared = {
            "TrainingInputMode": "File",
            "S3DistributionType": distribution,
        }
        for number, base_dir in enumerate(self.base_dirs):
            shutil.copytree(source, base_dir)
            resources = {"current_host": self.names[number], "hosts": self.names}
            configure(base_dir, "resourceconfig", resources)
            configure(base_dir, "inputdataconfig", {"training": declared})
            if shards:
                keep_files(base_dir / "input" / "data" / "training", shards[number])

    def start(self) -> None:
        self.processes = []
        for base_dir in self.base_dirs:
            environment = {
                **os.environ,
                "SAGEMAKER_BASE_DIR": str(base_dir),
                "OMP_WAIT_POLICY": "PASSIVE",
            }
            with (base_dir / "log").open("ab") as log:
                process = subprocess.Popen(
                    [TRAIN], env=environment, stdout=log, stderr=log
                )
            self.processes.append(process)

    def run(self) -> list[int]:
        self.start()
        return self.wait()

    def wait(self, seconds: float = 120) -> list[int]:
        """The exit codes, once all hosts have ended."""
        deadline = time.monotonic() + seconds
        return [
            process.wait(max(0.1, deadline - time.monotonic()))
            for process in self.processes
        ]

    def wait_for_line(self, text: str) -> None:
        """Wait until the first host has logged it, or all have ended."""
        log = self.base_dirs[0] / "log"
        while text not in log.read_text() and self.are_running():
            time.sleep(0.02)

    def are_running(self) -> bool:
        return any(process.poll() is None for process in self.processes)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()

    def logs(self) -> str:
        return "\n".join((base_dir / "log").read_text() for base_dir in self.base_dirs)

    def models(self) -> list[dict[str, bytes]]:
        return [model_files(base_dir) for base_dir in self.base_dirs]

    def failures(self) -> list[str]:
        files = [base_dir / "output" / "failure" for base_dir in self.base_dirs]
        return [file.read_text() if file.exists() else "" for file in files]

    def evaluation(self) -> dict[str, Any]:
        path = self.base_dirs[0] / "output" / "data" / "evaluation.json"
        return dict(json.loads(path.read_bytes()))


def keep_files(directory: Path, names: Sequence[str]) -> None:
    for path in list(directory.iterdir()):
        if path.name not in names:
            path.unlink()


@pytest.fixture
def sharded_job(make_job: MakeJob) -> Path:
    """A job whose ratings are in three files."""
    base_dir = make_job(QUICK)
    channel = base_dir / "input" / "data" / "training"
    header, *lines = (channel / "ratings.csv").read_text().splitlines()
    for number in range(3):
        first = number * len(lines) // 3
        end = (number + 1) * len(lines) // 3
        text = "\n".join([header, *lines[first:end], ""])
        (channel / f"ratings-{number}.csv").write_text(text)
    (channel / "ratings.csv").unlink()
    return base_dir


MakeHosts = Callable[[int], HostProcesses]


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[MakeHosts]:
    made: list[HostProcesses] = []

    def make(n_hosts: int) -> HostProcesses:
        made.append(HostProcesses(tmp_path / f"hosts-{len(made)}", n_hosts))
        return made[-1]

    yield make
    for hosts in made:
        for process in hosts.processes:
            process.kill()
            process.wait()


def test_several_hosts_make_the_features_and_trees_of_one(
    sharded_job: Path, make_hosts: MakeHosts
) -> None:
    # Each host draws rows of its own for a tree, so with other hosts the trees would be
    # other ones.
    configure(sharded_job, "hyperparameters", QUICK | {"subsample": "1"})
    alone = make_hosts(1)
    alone.lay_out(sharded_job)
    assert alone.run() == [0], alone.logs()
    (expected,) = alone.models()

    replicated = make_hosts(2)
    replicated.lay_out(sharded_job)
    sharded = make_hosts(3)
    sharded.lay_out(sharded_job, UNEVEN_SHARDS)
    for hosts in (replicated, sharded):
        assert set(hosts.run()) == {0}, hosts.logs()
        first, *others = hosts.models()
        assert not any(others)
        # The tables of the groups, the users and their ratings: all that features are
        # made from.
        assert first["features.npz"] == expected["features.npz"]
        # The bins are the same too. Of so few rows, double precision adds up float32
        # gradients exactly, in any order.
        assert first["booster.ubj"] == expected["booster.ubj"]


def test_hosts_without_data_take_part(sharded_job: Path, make_hosts: MakeHosts) -> None:
    channel = sharded_job / "input" / "data" / "training"
    for path in channel.glob("ratings-*.csv"):
        path.unlink()
    lines = ["userId,movieId,rating,timestamp"]
    lines += [f"{user},1,{user % 5 + 1},{user}" for user in range(1, 13)]
    (channel / "ratings.csv").write_text("\n".join([*lines, ""]))

    hosts = make_hosts(3)
    hosts.lay_out(sharded_job)
    for base_dir in hosts.base_dirs[1:]:
        configure(base_dir, "inputdataconfig", {"other": {}})
        shutil.rmtree(base_dir / "input" / "data" / "training")
    assert hosts.run() == [0, 0, 0], hosts.logs()
    assert "manifest.json" in hosts.models()[0]


def test_a_fault_in_one_hosts_file_is_every_hosts_reason(
    sharded_job: Path, make_hosts: MakeHosts
) -> None:
    third_file = sharded_job / "input" / "data" / "training" / "ratings-2.csv"
    with third_file.open("a") as file:
        file.write("1,1,4.7,5\n")
    hosts = make_hosts(3)
    hosts.lay_out(sharded_job, SHARDS)
    assert hosts.run() == [1, 1, 1]
    reasons = {failure.partition(":")[0] for failure in hosts.failures()}
    assert len(reasons) == 1, reasons
    assert all("rating is '4.7'" in failure for failure in hosts.failures())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_dies_ends_the_others_and_the_job_resumes(
    sharded_job: Path, make_hosts: MakeHosts, victim: int
) -> None:
    long = {
        "num_round": "120",
        "regression_rounds": "12",
        "features": "statistics,clock",
    }
    configure(sharded_job, "hyperparameters", {**QUICK, **long})
    (sharded_job / "checkpoints").mkdir()
    undisturbed = make_hosts(2)
    undisturbed.lay_out(sharded_job)
    assert undisturbed.run() == [0, 0], undisturbed.logs()

    hosts = make_hosts(2)
    hosts.lay_out(sharded_job)
    hosts.start()
    hosts.wait_for_line("round 24 of")
    hosts.kill(victim)
    other = 1 - victim
    assert hosts.processes[other].wait(60) == 1, hosts.logs()
    assert f"host {hosts.names[victim]} is gone" in hosts.failures()[other]

    assert hosts.run() == [0, 0], hosts.logs()
    assert "resuming from" in hosts.logs()
    assert hosts.models() == undisturbed.models()


def test_a_stop_ends_all_hosts_after_the_same_round(
    sharded_job: Path, make_hosts: MakeHosts
) -> None:
    endless = {"num_round": "100000", "features": "statistics"}
    configure(sharded_job, "hyperparameters", {**QUICK, **endless})
    hosts = make_hosts(2)
    hosts.lay_out(sharded_job)
    hosts.start()
    hosts.wait_for_line("round 1 of")
    # One host gets the signal; on SageMaker all do, each at its own moment.
    hosts.processes[1].send_signal(signal.SIGTERM)
    assert hosts.wait(30) == [0, 0], hosts.logs()
    assert hosts.evaluation()["booster"]["stopped"] is True


def test_one_host_gets_its_own_answers() -> None:
    assert ALONE.gather(b"data") == [b"data"]
    assert ALONE.exchange(lambda: b"made") == [b"made"]
    assert ALONE.any(True) is True
    assert ALONE.any(False) is False


def test_one_host_raises_its_own_failure() -> None:
    def fail() -> bytes:
        raise DataError("no ratings")

    with pytest.raises(DataError, match="no ratings"):
        ALONE.exchange(fail)
