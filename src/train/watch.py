"""Hosts that watch each other, so that no host waits forever for one that is gone.

XGBoost notices that a connection to another host broke, but only while the two exchange
something, and it can't say which host it was. A host that just falls silent, it never
notices. So the hosts watch each other besides:

1. Every host connects to the first one, however much later it starts.
2. Every few seconds, both ends of each connection send a sign of life.
3. A host that ends says so, and says why if it failed.
4. When a host fails, or falls silent, the first host reports it to the others.
5. A host that doesn't end by itself within a few seconds of that is made to give up.

Messages are JSON objects, one a line:

- ``{"host": "algo-2"}`` introduces a host to the first one.
- ``{"shared": {...}}`` is the first host's answer once all hosts are there.
- ``{}`` is a sign of life.
- ``{"done": true}`` and ``{"failed": "reason"}`` are the last message of a host.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from movielens.json_text import parse_json
from train.errors import JobError
from train.hosts import Hosts

logger = logging.getLogger(__name__)

PORT = 9099

_RETRY_SECONDS = 0.5
_SIGN_OF_LIFE = b"{}\n"
_MOST_LINE_BYTES = 2**17


@dataclass(frozen=True, slots=True)
class Patience:
    """How long hosts wait for each other, in seconds.

    Attributes:
        start: for all hosts to start.
        beat: from one sign of life to the next.
        silence: without a sign of life, until a host is taken to be gone.
        grace: from the loss of a host until this one is made to give up.
    """

    start: float = 600.0
    beat: float = 2.0
    silence: float = 30.0
    grace: float = 10.0


USUAL_PATIENCE = Patience()


@dataclass
class Watch:
    """The connections of one host to the others; `start` makes them.

    Attributes:
        hosts: who takes part.
        give_up: called with the reason if another host is gone and this one didn't end
            by itself.
        patience: how long hosts wait for each other.
        shared: what the first host sent to all others at the start.
    """

    hosts: Hosts
    give_up: Callable[[str], None]
    patience: Patience = USUAL_PATIENCE
    shared: dict[str, Any] = field(default_factory=dict)
    _peers: dict[str, socket.socket] = field(default_factory=dict)
    _reason: str = ""
    _is_lost: threading.Event = field(default_factory=threading.Event)
    _is_closed: threading.Event = field(default_factory=threading.Event)
    _sending: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        hosts: Hosts,
        give_up: Callable[[str], None],
        make_shared: Callable[[], dict[str, Any]],
        patience: Patience = USUAL_PATIENCE,
    ) -> Self:
        """Connect with the other hosts and begin to watch them.

        Args:
            hosts: who takes part.
            give_up: see `Watch`.
            make_shared: makes what the first host sends to all others; called there
                once all hosts are connected.
            patience: how long hosts wait for each other.

        Raises:
            JobError: if a host can't be reached in time.
        """
        watch = cls(hosts, give_up, patience)
        if hosts.is_first:
            watch._accept_others()
            watch.shared = make_shared()
            watch._send_message({"shared": watch.shared})
        else:
            watch._connect_to_first()

        _start_thread(watch._send_signs_of_life)
        for name in watch._peers:
            _start_thread(watch._listen, name)
        return watch

    def reason(self, seconds: float) -> str:
        """Which host is gone and why.

        Waits up to so many seconds for the news; empty if there is none by then.
        """
        self._is_lost.wait(seconds)
        return self._reason

    def end(self, failure: str = "") -> None:
        """Say that this host ends, and stop watching.

        Args:
            failure: why it failed; empty if it has done its work.
        """
        self._is_closed.set()
        self._send_message({"failed": failure} if failure else {"done": True})
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)

    def _accept_others(self) -> None:
        """As the first host, wait until all others have connected."""
        seconds = self.patience.start
        address = _address(self.hosts.current, time.monotonic() + seconds)
        server = socket.create_server((address, PORT))
        server.settimeout(seconds)
        with server:
            while len(self._peers) < len(self.hosts) - 1:
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    self._hang_up()
                    others = {*self.hosts.names} - {self.hosts.current}
                    missing = ", ".join(sorted(others - self._peers.keys()))
                    raise JobError(
                        f"no word from {missing} in {seconds:g} s: see their logs"
                    ) from None
                self._introduce(peer)

    def _introduce(self, peer: socket.socket) -> None:
        """Learn which host has connected; hang up on anything else."""
        peer.settimeout(self.patience.silence)
        try:
            name = str(parse_json(_read_line(peer))["host"])
            if name not in self.hosts.names:
                raise ValueError(f"it calls itself {name[:100]!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            peer.close()
            logger.warning("a connection that is no host of this job: %s", error)
        else:
            self._peers[name] = peer

    def _connect_to_first(self) -> None:
        """As another host, connect to the first one and wait for its answer."""
        first = self.hosts.names[0]
        seconds = self.patience.start
        peer = self._reach(first, time.monotonic() + seconds)
        self._peers[first] = peer

        self._send_message({"host": self.hosts.current})
        peer.settimeout(seconds)
        try:
            self.shared = dict(parse_json(_read_line(peer))["shared"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._hang_up()
            raise JobError(
                f"{first} ended before the job began: see its log"
            ) from error

    def _reach(self, name: str, deadline: float) -> socket.socket:
        """Connect to a host, which may not have started yet."""
        while True:
            address = _address(name, deadline), PORT
            try:
                return socket.create_connection(address, self.patience.silence)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise JobError(
                        f"can't reach {name} in {self.patience.start:g} s ({error}): "
                        "see its log"
                    ) from error
                time.sleep(_RETRY_SECONDS)

    def _hang_up(self) -> None:
        for peer in self._peers.values():
            peer.close()

    def _send_signs_of_life(self) -> None:
        while not self._is_closed.wait(self.patience.beat):
            self._send(_SIGN_OF_LIFE)

    def _listen(self, name: str) -> None:
        """Read a host's messages until it has ended or is lost."""
        peer = self._peers[name]
        peer.settimeout(self.patience.silence)
        why = "its connection closed"
        try:
            while line := _read_line(peer):
                message = dict(parse_json(line))
                if message.get("done"):
                    return
                if "failed" in message:
                    self._lose(str(message["failed"]))
                    return
        except TimeoutError:
            why = f"no sign of life for {self.patience.silence:g} s"
        except (OSError, TypeError, ValueError) as error:
            why = str(error)
        finally:
            peer.close()
        self._lose(f"host {name} is gone ({why})")

    def _lose(self, reason: str) -> None:
        """Take note that a host is lost, pass it on, and give up after a while."""
        if self._is_closed.is_set() or self._is_lost.is_set():
            return
        self._reason = reason
        self._is_lost.set()
        logger.error("%s", reason)
        self._send_message({"failed": reason})
        # If this host is exchanging something with the lost one, it soon fails by
        # itself, and that leaves the better trace.
        if not self._is_closed.wait(self.patience.grace):
            self.give_up(reason)

    def _send_message(self, message: dict[str, Any]) -> None:
        self._send(json.dumps(message).encode() + b"\n")

    def _send(self, data: bytes) -> None:
        with self._sending:
            for peer in self._peers.values():
                # The thread that listens to this host notices when it is gone.
                with contextlib.suppress(OSError):
                    peer.sendall(data)


def _start_thread(target: Callable[..., None], *args: str) -> None:
    threading.Thread(target=target, args=args, daemon=True, name="watch").start()


def _address(name: str, deadline: float) -> str:
    """A host's address, which the platform may publish only while the hosts start."""
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError as error:
            if time.monotonic() > deadline:
                raise JobError(
                    f"can't find the host {name} ({error}): see its log"
                ) from error
            time.sleep(_RETRY_SECONDS)


def _read_line(peer: socket.socket) -> bytes:
    """One line; empty once the connection has ended.

    Lines are short and rare, so reading a byte at a time is quick enough.

    Raises:
        ValueError: the line doesn't end.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            return b""
        line += byte
        if len(line) > _MOST_LINE_BYTES:
            raise ValueError("a line that doesn't end")
    return bytes(line)
