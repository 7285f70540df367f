"""The ``serve`` command as a process, with metrics and a log of requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

Environment = dict[str, str]


class Server:
    """A server over the model in a base directory; its stdout goes into a file."""

    def __init__(self, base_dir: Path, stdout: Path, environment: Environment) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.stdout = stdout
        platform = {
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "HALFSTAR_METRICS_PORT": str(self.metrics_port),
        }
        with stdout.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serve"],
                env=os.environ | platform | environment,
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
            )
        # A new connection for each request, so that any worker may get it.
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"connection": "close", "content-type": "text/csv"},
            trust_env=False,
            timeout=60,
        )
        wait_until(lambda: self.ask(b"1,2") == 200)

    def ask(self, body: bytes) -> int:
        """The status of the answer to a body; 0 if there is none."""
        assert self.process.poll() is None
        try:
            return self.client.post("/invocations", content=body).status_code
        except httpx.TransportError:
            return 0

    def metrics(self) -> dict[str, float]:
        """What a scrape gives, by name and labels."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = httpx.get(url, trust_env=False, timeout=60).text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines)}

    def children(self) -> set[int]:
        """The processes that process 1 has forked."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return set(map(int, children.split()))

    def lines(self) -> list[dict[str, Any]]:
        """What it has written to stdout."""
        return [json.loads(line) for line in self.stdout.read_text().splitlines()]

    def stop(self) -> str:
        """End it, and give what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return stderr

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.communicate()


StartServer = Callable[..., Server]


@pytest.fixture
def base_dir(model_dir: Path, tmp_path: Path) -> Path:
    base_dir = tmp_path / "ml"
    base_dir.mkdir()
    (base_dir / "model").symlink_to(model_dir)
    return base_dir


@pytest.fixture
def start_server(base_dir: Path, tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server with these variables in its environment."""
    started: list[Server] = []

    def start(**environment: str) -> Server:
        stdout = tmp_path / f"stdout-{len(started)}"
        server = Server(base_dir, stdout, environment)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
