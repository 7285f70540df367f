"""Hosts that watch each other, so that no host waits for one that is gone.

Each host holds one connection to the first one, over which both say every few seconds
that they live. XGBoost notices by itself a peer whose connection breaks, but only while
it exchanges something, and never a peer that falls silent; and what it raises doesn't
say which host it was. Here whoever ends says why, the first host passes that on, and a
host that falls silent is told to all. A host that is still at work some seconds after
that writes the reason and ends.
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

from train.errors import JobError
from train.hosts import Hosts

logger = logging.getLogger(__name__)

PORT = 9099
START_SECONDS = 600.0
BEAT_SECONDS = 2.0
SILENT_SECONDS = 30.0
GRACE_SECONDS = 10.0
_RETRY_SECONDS = 0.5
_BEAT = b"{}\n"


@dataclass
class Watch:
    """The connections of one host to the others.

    Attributes:
        hosts: who takes part.
        give_up: called with the reason when another host is gone and this one didn't
            end by itself.
        shared: what the first host told all others at the start.
    """

    hosts: Hosts
    give_up: Callable[[str], None]
    shared: dict[str, Any] = field(default_factory=dict)
    _peers: dict[str, socket.socket] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)
    _reason: str = ""
    _lost: threading.Event = field(default_factory=threading.Event)
    _closed: threading.Event = field(default_factory=threading.Event)
    _sending: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        hosts: Hosts,
        give_up: Callable[[str], None],
        shared: Callable[[], dict[str, Any]],
    ) -> Self:
        """Connect with the others, however much later they start.

        Args:
            hosts: who takes part.
            give_up: see above.
            shared: makes what the first host tells all others.

        Raises:
            JobError: if one can't be reached in time.
        """
        watch = cls(hosts, give_up)
        if hosts.is_first:
            watch._accept()
            watch.shared = shared()
            watch._tell({"shared": watch.shared})
        else:
            watch._connect()
        for target in (
            watch._beat,
            *(lambda peer=peer: watch._listen(peer) for peer in watch._peers),
        ):
            threading.Thread(target=target, daemon=True, name="watch").start()
        return watch

    def reason(self, seconds: float) -> str:
        """Which host is gone and why, once that is known; empty if it isn't within so
        many seconds.
        """
        self._lost.wait(seconds)
        return self._reason

    def end(self, failure: str = "") -> None:
        """Say that this host ends and why, empty where it has done its work, and listen
        no more.
        """
        self._closed.set()
        self._tell({"failed": failure} if failure else {"done": True})
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)

    def _accept(self) -> None:
        server = socket.create_server(
            (_address(self.hosts.current, time.monotonic() + START_SECONDS), PORT)
        )
        server.settimeout(START_SECONDS)
        with server:
            while len(self._peers) < len(self.hosts) - 1:
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    self._hang_up()
                    missing = sorted({*self.hosts.names[1:]} - {*self._peers})
                    raise JobError(
                        f"no word from {', '.join(missing)} in {START_SECONDS:g} s: see their logs"
                    ) from None
                peer.settimeout(SILENT_SECONDS)
                try:
                    self._peers[str(json.loads(_line(peer))["host"])] = peer
                except (OSError, ValueError, KeyError, TypeError) as error:
                    peer.close()
                    logger.warning(
                        "a connection that is no host of this job: %s", error
                    )

    def _connect(self) -> None:
        first, deadline = self.hosts.names[0], time.monotonic() + START_SECONDS
        while True:
            try:
                peer = socket.create_connection(
                    (_address(first, deadline), PORT), timeout=SILENT_SECONDS
                )
                break
            except OSError as error:  # it hasn't started yet
                if time.monotonic() > deadline:
                    raise JobError(
                        f"can't reach {first} in {START_SECONDS:g} s ({error}): see its log"
                    ) from error
                time.sleep(_RETRY_SECONDS)
        self._peers[first] = peer
        self._tell({"host": self.hosts.current})
        peer.settimeout(START_SECONDS)
        try:
            self.shared = dict(json.loads(_line(peer))["shared"])
        except (OSError, ValueError, KeyError) as error:
            self._hang_up()
            raise JobError(
                f"{first} ended before the job began: see its log"
            ) from error

    def _hang_up(self) -> None:
        for peer in self._peers.values():
            peer.close()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            self._send(_BEAT)

    def _listen(self, name: str) -> None:
        peer = self._peers[name]
        peer.settimeout(SILENT_SECONDS)
        why = "its connection closed"
        try:
            while line := _line(peer):
                message = json.loads(line)
                if message.get("done"):
                    self._ended.add(name)
                    return
                if "failed" in message:
                    self._lose(str(message["failed"]))
                    return
        except TimeoutError:
            why = f"no sign of life for {SILENT_SECONDS:g} s"
        except (OSError, ValueError) as error:
            why = str(error)
        finally:
            peer.close()
        self._lose(f"host {name} is gone ({why})")

    def _lose(self, reason: str) -> None:
        if self._closed.is_set() or self._lost.is_set():
            return
        self._reason = reason
        self._lost.set()
        logger.error("%s", reason)
        self._tell({"failed": reason})
        # Whoever exchanges something with the host that is gone fails by itself, which
        # leaves the better trace.
        if not self._closed.wait(GRACE_SECONDS):
            self.give_up(reason)

    def _tell(self, message: dict[str, Any]) -> None:
        self._send(json.dumps(message).encode() + b"\n")

    def _send(self, data: bytes) -> None:
        with self._sending:
            for peer in self._peers.values():
                # That it is gone is noticed where it is listened to.
                with contextlib.suppress(OSError):
                    peer.sendall(data)


def _address(name: str, deadline: float) -> str:
    """A host's address; the names are made known while the hosts start."""
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError as error:
            if time.monotonic() > deadline:
                raise JobError(
                    f"can't find the host {name} ({error}): see its log"
                ) from error
            time.sleep(_RETRY_SECONDS)


def _line(peer: socket.socket) -> bytes:
    """One line, empty at the end; they are short and rare, so that a byte at a time is
    quick enough.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            return b""
        line += byte
    return line
