from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from movielens.errors import ArtifactError, HalfstarError
from movielens.proofs import ProofLimits
from serve.errors import HttpError
from serve.registry import Kept, Line, ProvingTask, Registry

KEPT = Kept("/opt/ml/models/ä/model", "/opt/ml/models/ä/model", 10, "f" * 64)
LIMITS = ProofLimits(seconds=60, n_bytes=10)


class Ends:
    """Both ends of a line."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self.registry = Registry(reader)
        self.line = Line(writer)


@pytest.fixture
def ends() -> Iterator[Ends]:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reader, writer:
        yield Ends(reader, writer)


def test_it_knows_the_models_that_were_reported(ends: Ends) -> None:
    ends.line.keep("a", KEPT)
    ends.line.keep("b", KEPT)
    ends.line.forget("a")
    ends.line.forget("never there")
    assert list(ends.registry.tasks()) == []
    assert ends.registry.models == {"b": KEPT}


def test_reports_count_although_their_worker_is_gone(ends: Ends) -> None:
    ends.line.keep("a", KEPT)
    ends.line._writer.close()
    assert list(ends.registry.tasks()) == []
    assert ends.registry.models == {"a": KEPT}


def test_the_longest_path_fits_into_a_report(ends: Ends) -> None:
    path = "/" + "\x01" * 4094
    ends.line.keep("a" * 256, Kept(path, path, 10, "f" * 64))
    assert list(ends.registry.tasks()) == []
    assert ends.registry.models["a" * 256].path == path


@pytest.mark.parametrize(
    ("code", "kind", "fault"),
    [
        (-11, ArtifactError, "ends its process .SIGSEGV"),
        (-6, ArtifactError, "ends its process .SIGABRT"),
        (1, ArtifactError, "ends its process .exit code 1"),
        (-14, ArtifactError, "takes too long"),
        (-9, HttpError, "as if memory were short"),
        (None, HttpError, "no process could be started"),
    ],
)
def test_it_says_how_a_proof_has_ended(
    ends: Ends, code: int | None, kind: type[HalfstarError], fault: str
) -> None:
    raised: list[HalfstarError] = []

    def ask() -> None:
        with pytest.raises(kind, match=fault) as error:
            ends.line.prove(Path("/models/a"), Path("/models"), LIMITS)
        raised.append(error.value)

    asking = threading.Thread(target=ask)
    asking.start()
    task = wait_for_task(ends)
    assert (task.path, task.below) == (Path("/models/a"), Path("/models"))
    assert task.limits == LIMITS
    task.ended(code)
    asking.join()
    (error,) = raised
    if isinstance(error, HttpError):
        assert error.status == 507


def test_nobody_waits_for_ever_for_a_proof(ends: Ends) -> None:
    limits = ProofLimits(seconds=-9.9, n_bytes=10)  # of a grace of ten
    with pytest.raises(HttpError, match="nobody answers") as raised:
        ends.line.prove(Path("/models/a"), Path("/models"), limits)
    assert raised.value.status == 507
    wait_for_task(ends).ended(0)


def test_it_does_not_wait_for_a_worker_that_has_gone(ends: Ends) -> None:
    limits = ProofLimits(-9.9, 10)
    asking = threading.Thread(
        target=pytest.raises,
        args=(HttpError, ends.line.prove, Path("/m/a"), Path("/m"), limits),
    )
    asking.start()
    task = wait_for_task(ends)
    asking.join()
    task.ended(-11)


def wait_for_task(ends: Ends) -> ProvingTask:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in ends.registry.tasks():
            return task
        time.sleep(0.01)
    raise AssertionError("nobody asks for a proof")
