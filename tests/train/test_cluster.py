"""Several hosts for real: a process a host, each with an ``/opt/ml`` of its own, on
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

import numpy as np
import pytest

from movielens.tables import RatingTable
from train.blocks import host_of

MakeJob = Callable[..., Path]
TRAIN = Path(sys.executable).parent / "train"
QUICK = {
    **{
        "num_round": "12",
        "max_depth": "3",
        "nthread": "1",
        "subsample": "0.6",
        "colsample_bytree": "0.5",
    },
    **{
        "checkpoint_rounds": "3",
        "features": "statistics,factors,recency",
        "split": "random",
    },
}
_NETWORKS = itertools.count(1)


class Cluster:
    """Processes that stand for the hosts of one job."""

    def __init__(self, directory: Path, n_hosts: int) -> None:
        # 127.0.0.0/8 is this machine, so that each host has an address, and its port,
        # to itself.
        network = f"127.{os.getpid() % 250 + 1}.{next(_NETWORKS)}"
        self.bases = {
            f"{network}.{number}": directory / f"host-{number}"
            for number in range(1, n_hosts + 1)
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def lay_out(self, source: Path, shards: Sequence[Sequence[str]] | None) -> None:
        """The job of ``source`` on all hosts, each with some of its files, or with all."""
        for host, base in self.bases.items():
            shutil.copytree(source, base)
            channel = base / "input" / "data" / "training"
            if shards is not None:
                mine = shards[list(self.bases).index(host)]
                for path in list(channel.iterdir()):
                    if path.name not in mine:
                        path.unlink()
            declared = {"TrainingInputMode": "File"}
            declared["S3DistributionType"] = (
                "FullyReplicated" if shards is None else "ShardedByS3Key"
            )
            self.configure(base, "inputdataconfig", {"training": declared})
            self.configure(
                base,
                "resourceconfig",
                {"current_host": host, "hosts": list(self.bases)},
            )

    def configure(self, base: Path, name: str, value: Any) -> None:
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(value))

    def start(self) -> None:
        for host, base in self.bases.items():
            environment = {
                **os.environ,
                "SAGEMAKER_BASE_DIR": str(base),
                "OMP_WAIT_POLICY": "PASSIVE",
            }
            with (base / "log").open("ab") as log:
                self.processes[host] = subprocess.Popen(
                    [TRAIN], env=environment, stdout=log, stderr=log
                )

    def run(self) -> list[int]:
        self.start()
        return self.ended()

    def ended(self, seconds: float = 120) -> list[int]:
        deadline = time.monotonic() + seconds
        return [
            process.wait(max(0.1, deadline - time.monotonic()))
            for process in self.processes.values()
        ]

    def until_logged(self, text: str, host: int = 0) -> None:
        log = list(self.bases.values())[host] / "log"
        while text not in log.read_text() and any(
            process.poll() is None for process in self.processes.values()
        ):
            time.sleep(0.02)

    def logs(self) -> str:
        return "\n".join((base / "log").read_text() for base in self.bases.values())

    def models(self) -> list[dict[str, bytes]]:
        return [
            {path.name: path.read_bytes() for path in (base / "model").iterdir()}
            for base in self.bases.values()
        ]

    def failures(self) -> list[str]:
        files = [base / "output" / "failure" for base in self.bases.values()]
        return [file.read_text() if file.exists() else "" for file in files]

    def evaluation(self) -> dict[str, Any]:
        base = next(iter(self.bases.values()))
        return dict(
            json.loads((base / "output" / "data" / "evaluation.json").read_bytes())
        )


@pytest.fixture
def sharded_job(make_job: MakeJob) -> Path:
    """A job whose ratings are in three files."""
    base_dir = make_job(QUICK)
    channel = base_dir / "input" / "data" / "training"
    header, *lines = (channel / "ratings.csv").read_text().splitlines()
    for number in range(3):
        part = lines[number * len(lines) // 3 : (number + 1) * len(lines) // 3]
        (channel / f"ratings-{number}.csv").write_text("\n".join([header, *part, ""]))
    (channel / "ratings.csv").unlink()
    return base_dir


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[[int], Cluster]]:
    made: list[Cluster] = []

    def make(n_hosts: int) -> Cluster:
        made.append(Cluster(tmp_path / f"cluster-{len(made)}", n_hosts))
        return made[-1]

    yield make
    for cluster in made:
        for process in cluster.processes.values():
            process.kill()
            process.wait()


MakeCluster = Callable[[int], Cluster]
SHARDS = (("ratings-0.csv",), ("movies.csv", "ratings-1.csv"), ("ratings-2.csv",))


def test_hosts_make_the_features_of_one(
    sharded_job: Path, make_cluster: MakeCluster
) -> None:
    # Rows that are drawn for each tree are other ones with other hosts, and so would be
    # the trees.
    (sharded_job / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps(QUICK | {"subsample": "1"})
    )
    alone = make_cluster(1)
    alone.lay_out(sharded_job, None)
    assert alone.run() == [0], alone.logs()
    # The second host has the movies alone.
    for shards in (
        None,
        (("ratings-0.csv", "ratings-2.csv"), ("movies.csv",), ("ratings-1.csv",)),
    ):
        cluster = make_cluster(3 if shards else 2)
        cluster.lay_out(sharded_job, shards)
        assert set(cluster.run()) == {0}, cluster.logs()
        first, *others = cluster.models()
        assert not any(others)
        # The tables of the groups, the users and their ratings: all that features are
        # made of.
        assert first["features.npz"] == alone.models()[0]["features.npz"]
        # So are the bins; and of so few rows, sums of float32 gradients in double
        # precision are exact in any order.
        assert first["booster.ubj"] == alone.models()[0]["booster.ubj"]


def test_hosts_without_work_take_part(
    sharded_job: Path, make_cluster: MakeCluster
) -> None:
    text = "userId,movieId,rating,timestamp\n" + "".join(
        f"{u},1,{u % 5 + 1},{u}\n" for u in range(1, 13)
    )
    channel = sharded_job / "input" / "data" / "training"
    for path in channel.glob("ratings-*.csv"):
        path.unlink()
    (channel / "ratings.csv").write_text(text)
    cluster = make_cluster(3)
    cluster.lay_out(sharded_job, None)
    for base in list(cluster.bases.values())[1:]:
        cluster.configure(base, "inputdataconfig", {"other": {}})
        shutil.rmtree(base / "input" / "data" / "training")
    assert cluster.run() == [0, 0, 0], cluster.logs()
    assert "manifest.json" in cluster.models()[0]


def test_a_fault_in_one_hosts_file_is_every_hosts_reason(
    sharded_job: Path, make_cluster: MakeCluster
) -> None:
    with (sharded_job / "input" / "data" / "training" / "ratings-2.csv").open(
        "a"
    ) as file:
        file.write("1,1,4.7,5\n")
    cluster = make_cluster(3)
    cluster.lay_out(sharded_job, SHARDS)
    assert cluster.run() == [1, 1, 1]
    reasons = {failure.partition(":")[0] for failure in cluster.failures()}
    assert len(reasons) == 1, reasons
    assert all("rating is '4.7'" in failure for failure in cluster.failures())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_dies_takes_the_others_along_and_the_job_resumes(
    sharded_job: Path, make_cluster: MakeCluster, victim: int
) -> None:
    settings = {
        **QUICK,
        "num_round": "120",
        "regression_rounds": "12",
        "features": "statistics,clock",
    }
    (sharded_job / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps(settings)
    )
    (sharded_job / "checkpoints").mkdir()
    whole, cluster = make_cluster(2), make_cluster(2)
    for hosts in (whole, cluster):
        hosts.lay_out(sharded_job, None)
    assert whole.run() == [0, 0], whole.logs()
    cluster.start()
    cluster.until_logged("round 24 of")
    name = list(cluster.bases)[victim]
    cluster.processes[name].kill()
    cluster.processes[name].wait()
    began = time.monotonic()
    other = next(process for host, process in cluster.processes.items() if host != name)
    assert other.wait(60) == 1, cluster.logs()
    assert time.monotonic() - began < 60
    assert f"host {name} is gone" in cluster.failures()[1 - victim]
    assert cluster.run() == [0, 0], cluster.logs()
    assert "resuming from" in cluster.logs()
    assert cluster.models() == whole.models()


def test_a_stop_ends_all_hosts_after_the_same_round(
    sharded_job: Path, make_cluster: MakeCluster
) -> None:
    settings = {**QUICK, "num_round": "100000", "features": "statistics"}
    (sharded_job / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps(settings)
    )
    cluster = make_cluster(2)
    cluster.lay_out(sharded_job, None)
    cluster.start()
    cluster.until_logged("round 1 of")
    # One host hears of it; on SageMaker all do, at moments of their own.
    list(cluster.processes.values())[1].send_signal(signal.SIGTERM)
    assert cluster.ended(30) == [0, 0], cluster.logs()
    assert cluster.evaluation()["booster"]["stopped"] is True


@pytest.mark.parametrize("n_hosts", [1, 2, 3, 8, 11])
def test_every_row_has_one_host(ratings: RatingTable, n_hosts: int) -> None:
    hosts = host_of(ratings, n_hosts)
    assert hosts.min() >= 0
    assert hosts.max() < n_hosts
    counts = np.bincount(hosts, minlength=n_hosts)
    assert counts.max() < 3 * len(ratings) / min(n_hosts, 8)
