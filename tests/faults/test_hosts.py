"""Jobs over two hosts whose network is lost, or of which one stands still.

The hosts are processes in a network of their own. It is lost when its interface goes
down: what is sent then goes nowhere, and connections aren't told.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.jobs import End, Fault, Jobs, freeze
from tests.faults.name_spaces import lose_network
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow

ADDRESSES = ("127.0.0.1", "127.0.0.2")
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


def test_a_lost_network_ends_both_hosts_and_the_job_goes_on_later(
    two_hosts: TwoHosts, make_network: MakeNetwork, new_job, tmp_path, jobs
) -> None:
    undisturbed = TwoHosts(tmp_path / "undisturbed", new_job, jobs)
    assert [end.code for end in undisturbed.run(make_network())] == [0, 0]

    ends = two_hosts.run(make_network(), Fault("logs", "round 5 of 8", lose_network))
    assert [end.code for end in ends] == [1, 1], ends
    for end, other in zip(ends, reversed(ADDRESSES), strict=True):
        assert f"host {other} is gone (no sign of life for 4 s)" in end.failure
    assert model_files(two_hosts.base_dirs[0]) == {}

    ends = two_hosts.run(make_network())
    assert [end.code for end in ends] == [0, 0], ends
    assert "resuming from" in ends[0].log
    first, second = two_hosts.base_dirs
    assert model_files(first) == model_files(undisturbed.base_dirs[0])
    assert model_files(second) == {}


def test_a_host_that_stands_still_ends_the_other(
    two_hosts: TwoHosts, make_network: MakeNetwork, jobs
) -> None:
    network = make_network()
    frozen = jobs.start(
        two_hosts.base_dirs[1], Fault("logs", "round 5 of 8", freeze), network=network
    )
    end = jobs.start(two_hosts.base_dirs[0], network=network).end()
    frozen.kill()
    assert end.code == 1, end.log
    assert f"host {ADDRESSES[1]} is gone (no sign of life for 4 s)" in end.failure


def fail_later() -> None:
    import time
    time.sleep(1.5)
    raise OSError("disk is broken")


@pytest.mark.parametrize("moment", ["logs;round 6 of 8"])
def test_a_host_that_fails_ends_although_the_other_stands_still(
    two_hosts: TwoHosts, make_network: MakeNetwork, jobs, moment
) -> None:
    network = make_network()
    event, text = moment.split(";")
    frozen = jobs.start(
        two_hosts.base_dirs[0], Fault("logs", "round 6 of 8", freeze), network=network
    )
    end = jobs.start(two_hosts.base_dirs[1], Fault(event, text, fail_later), network=network).end(40)
    frozen.kill()
    print(end.log)
    assert end.code == 1, end.log
    assert 0, end.failure
