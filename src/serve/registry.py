"""The models that are loaded, as process 1 keeps them.

A worker that dies takes its models along. So it reports what it loads and unloads to
process 1, and the worker that takes its place starts with the same models. It also asks
process 1 to prove models: process 1 has one thread, so it can fork.

Reports are packets of JSON on a pair of sockets. The kernel holds them until they are
read, so a report counts even if its worker dies right behind it.

=================================================  ====================================
``{"keep": name, "url", "path", "size", ...}``     the model is loaded
``{"forget": name}``                               it is unloaded
``{"prove": path, "below", "seconds", ...}``       to be proved; the answer goes into
                                                   the socket that comes along
=================================================  ====================================
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from movielens.proofs import ProofLimits
from serve.errors import HttpError
from serve.proving import Proof, proof_of, prove_apart

# A path has up to 4,096 bytes, and each may take six in JSON.
_MOST_BYTES = 64 * 1024
# Process 1 answers at once, unless it has a worker to replace.
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A model that is loaded.

    Attributes:
        url: its directory, as the platform gave it.
        path: the same without links.
        size: bytes of memory that it takes.
        fingerprint: of the bytes that were proved.
    """

    url: str
    path: str
    size: int
    fingerprint: str


def open_line() -> tuple[Registry, Line]:
    """Both ends of a line between process 1 and a worker that it forks."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Registry(reader), Line(writer)


class Registry:
    """Process 1's list of models, and its end of the line.

    Args:
        reader: the socket at which reports arrive.

    Attributes:
        models: by name.
    """

    def __init__(self, reader: socket.socket) -> None:
        self.models: dict[str, Kept] = {}
        self._reader = reader
        self._reader.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor of the socket."""
        return self._reader.fileno()

    def tasks(self) -> Iterator[ProvingTask]:
        """Read all reports that have arrived; gives the proofs that were asked for."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, passed, _, _ = socket.recv_fds(self._reader, _MOST_BYTES, 1)
                if not packet:
                    return  # there are no workers any more
                sockets = [socket.socket(fileno=number) for number in passed]
                report: dict[str, Any] = json.loads(packet)
                match report:
                    case {"keep": name, **kept}:
                        self.models[name] = Kept(**kept)
                    case {"forget": name}:
                        self.models.pop(name, None)
                    case {"prove": path, "below": below, **limits}:
                        for answer in sockets:  # none, if too many files are open
                            chosen = ProofLimits(**limits)
                            yield ProvingTask(Path(path), Path(below), chosen, answer)


@dataclass(frozen=True, slots=True)
class ProvingTask:
    """A proof that was asked for.

    Attributes:
        path: the directory of the model.
        below: the directory in which all its files must be.
        limits: on what the proof takes.
        answer: where what came of it is written.
    """

    path: Path
    below: Path
    limits: ProofLimits
    answer: socket.socket

    def run(self) -> None:
        """Prove the model, in a process of its own."""
        prove_apart(self.path, self.below, self.limits, self.answer)

    def ended(self, code: int | None) -> None:
        """Say how the process ended; None if it couldn't be started."""
        with self.answer, contextlib.suppress(OSError):
            # The worker may be gone, or slow to read; process 1 doesn't wait for it.
            if code != 0:
                packet = json.dumps({"ended": code}).encode()
                self.answer.send(packet, socket.MSG_DONTWAIT)


@dataclass(frozen=True, slots=True)
class Line:
    """A worker's end of the line; its methods may be called from any thread."""

    _writer: socket.socket
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, name: str, kept: Kept) -> None:
        """Report that a model is loaded."""
        self._send({"keep": name, **asdict(kept)})

    def forget(self, name: str) -> None:
        """Report that a model is unloaded."""
        self._send({"forget": name})

    def prove(self, path: Path, below: Path, limits: ProofLimits) -> Proof:
        """Have a model proved.

        Args:
            path: the directory of the model.
            below: the directory in which all its files must be.
            limits: on what the proof takes.

        Raises:
            ArtifactError: if it didn't pass.
            HttpError: 507 if a resource was short.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                asked = {"prove": str(path), "below": str(below), **asdict(limits)}
                self._send(asked, theirs)
            ours.settimeout(limits.seconds + _GRACE_S)
            try:
                packet = ours.recv(_MOST_BYTES)
            except TimeoutError:
                packet = b""
        if not packet:
            raise HttpError(507, "nobody answers who could prove it; try again")
        return proof_of(json.loads(packet))

    def _send(self, report: dict[str, Any], *passed: socket.socket) -> None:
        packet = json.dumps(report).encode()
        numbers = [each.fileno() for each in passed]
        with self._lock:
            socket.send_fds(self._writer, [packet], numbers)
