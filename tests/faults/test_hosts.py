"""Jobs over two hosts whose network is lost, or of which one stands still.

The hosts are processes in a network of their own. It is lost when its interface goes
down: what is sent then goes nowhere, and connections aren't told.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.jobs import HOST_PATIENCE, PID, End, Fault, Jobs, freeze
from tests.faults.name_spaces import lose_network
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow

ADDRESSES = ("127.0.0.1", "127.0.0.2")
SILENCE = f"no sign of life for {HOST_PATIENCE.silence:g} s"
# Makes a network, whose addresses reach each other, and keeps it until its input ends.
NETWORK = """
import sys
from tests.faults.name_spaces import CLONE_NEWNET, connect_hosts, leave_for_own
leave_for_own(CLONE_NEWNET)
connect_hosts()
print("connected", flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).parent.parent.parent

MakeNetwork = Callable[[], int]


@pytest.fixture
def make_network() -> Iterator[MakeNetwork]:
    """Makes a network, and gives the number of a process in it."""
    started: list[subprocess.Popen[str]] = []

    def make() -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", NETWORK],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        return process.pid

    yield make
    for process in started:
        process.communicate()


class TwoHosts:
    """One job over two hosts, each of which is a job's process."""

    def __init__(self, directory: Path, source: Path, jobs: Jobs) -> None:
        self._jobs = jobs
        self.base_dirs = [directory / name for name in ADDRESSES]
        for address, base_dir in zip(ADDRESSES, self.base_dirs, strict=True):
            shutil.copytree(source, base_dir)
            resources = {"current_host": address, "hosts": list(ADDRESSES)}
            configure(base_dir, "resourceconfig", resources)

    def run(
        self, network: int, first: Fault | None = None, second: Fault | None = None
    ) -> list[End]:
        started = [
            self._jobs.start(base_dir, *([fault] if fault else []), network=network)
            for base_dir, fault in zip(self.base_dirs, (first, second), strict=True)
        ]
        return [job.end() for job in started]


@pytest.fixture
def two_hosts(new_job: Path, tmp_path: Path, jobs: Jobs) -> TwoHosts:
    """Two hosts that have all data each."""
    return TwoHosts(tmp_path / "hosts", new_job, jobs)


@pytest.fixture
def undisturbed_hosts(
    new_job: Path,
    tmp_path: Path,
    jobs: Jobs,
    make_network: MakeNetwork,
) -> dict[str, bytes]:
    """The model's files, as two hosts write them that nothing disturbs.

    Rows are drawn on each host for itself, so it isn't the model of one host.
    """
    hosts = TwoHosts(tmp_path / "undisturbed", new_job, jobs)
    ends = hosts.run(make_network())
    assert [end.code for end in ends] == [0, 0], ends
    return model_files(hosts.base_dirs[0])


def test_a_lost_network_ends_both_hosts_and_the_next_run_goes_on(
    two_hosts: TwoHosts,
    make_network: MakeNetwork,
    undisturbed_hosts: dict[str, bytes],
) -> None:
    loss = Fault("logs", "round 5 of 8", lose_network)
    ends = two_hosts.run(make_network(), first=loss)
    assert [end.code for end in ends] == [1, 1], ends
    for end, other in zip(ends, reversed(ADDRESSES), strict=True):
        assert f"host {other} is gone ({SILENCE})" in end.failure
    first, second = two_hosts.base_dirs
    assert model_files(first) == {}

    ends = two_hosts.run(make_network())
    assert [end.code for end in ends] == [0, 0], ends
    assert "resuming from" in ends[0].log
    assert model_files(first) == undisturbed_hosts
    assert model_files(second) == {}


def test_a_host_that_stands_still_ends_the_other(
    two_hosts: TwoHosts, jobs: Jobs, make_network: MakeNetwork
) -> None:
    network = make_network()
    first, second = two_hosts.base_dirs
    fault = Fault("logs", "round 5 of 8", freeze)
    still = jobs.start(second, fault, network=network)
    end = jobs.start(first, network=network).end()
    still.kill()
    assert end.code == 1, end.log
    assert f"host {ADDRESSES[1]} is gone ({SILENCE})" in end.failure


def test_a_host_that_fails_does_not_wait_for_one_that_stands_still(
    two_hosts: TwoHosts, jobs: Jobs, make_network: MakeNetwork
) -> None:
    network = make_network()
    first, second = two_hosts.base_dirs
    fault = Fault("logs", "round 5 of 8", freeze)
    still = jobs.start(first, fault, network=network)
    fault = Fault("logs", "round 5 of 8", partial(fail_once_stopped, first))
    end = jobs.start(second, fault, network=network).end()
    still.kill()
    assert end.code == 1, end.log
    assert end.failure == f"host {ADDRESSES[1]} failed: the disk is broken"


def fail_once_stopped(base_dir: Path) -> None:
    """Fail as soon as the job in this base directory stands still."""
    pid = int((base_dir / PID).read_text())
    status = Path(f"/proc/{pid}/stat")
    while status.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    raise OSError("the disk is broken")
