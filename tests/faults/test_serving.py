"""Faults of a server that answers: its model's files, its clock and its log."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

N_WORKERS = 2
# Each takes another way: through the flat forest, and through XGBoost's own booster.
QUESTIONS = (
    '{"instances": [{"userId": 1, "movieId": 1}, {"userId": 2, "movieId": 3}]}',
    '{"instances": [{"userId": 1, "movieId": 1}], "parameters": {"contributions": 3}}',
)


class Server:
    """A server over the model in a base directory."""

    def __init__(self, base_dir: Path, log: Path, **environment: str) -> None:
        self.port = free_port()
        platform = {
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "HALFSTAR_WORKERS": str(N_WORKERS),
        }
        with log.open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serve"],
                env=os.environ | platform | environment,
                stderr=stderr,
            )
        # A new connection for each request, so that any worker may get it.
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"connection": "close", "content-type": "application/json"},
            trust_env=False,
            timeout=60,
        )
        wait_until(self.answers_ping)

    def answers_ping(self) -> bool:
        assert self.process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/ping").status_code == 200
        return False

    def answers(self) -> list[bytes]:
        """What it answers to each question."""
        answers: list[bytes] = []
        for question in QUESTIONS:
            response = self.client.post("/invocations", content=question)
            assert response.status_code == 200, response.text
            answers.append(response.content)
        return answers

    def workers(self) -> set[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return {int(child) for child in children.split()}

    def end(self) -> int:
        """Stop it as SageMaker does, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


Serve = Callable[..., Server]


@pytest.fixture
def serve(done_job: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts a server over a copy of the model."""
    started: list[Server] = []
    shutil.copytree(done_job / "model", tmp_path / "model")

    def start(log: Path | None = None, **environment: str) -> Server:
        started.append(Server(tmp_path, log or tmp_path / "log", **environment))
        return started[-1]

    yield start
    for server in started:
        server.client.close()
        server.process.kill()
        server.process.wait()


def overwrite(path: Path) -> None:
    """As `cp` does it: the same file gets other bytes."""
    path.write_bytes(b"\xff" * path.stat().st_size)


def truncate(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("change", [overwrite, truncate, Path.unlink])
def test_files_that_change_under_a_server_change_no_answer(
    serve: Serve, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    # Another server over the same files, so that this one hasn't read anything late.
    expected = serve().answers()
    server = serve()
    workers = server.workers()
    for path in (tmp_path / "model").iterdir():
        change(path)
    for _ in range(2 * N_WORKERS):
        assert server.answers() == expected
    assert server.workers() == workers
    assert server.end() == 0


def test_a_clock_that_jumps_changes_no_answer(serve: Serve, clock: Path) -> None:
    expected = serve().answers()
    server = serve(LD_PRELOAD=str(clock))
    assert str(clock) in Path(f"/proc/{server.process.pid}/maps").read_text()
    for _ in range(10):
        assert server.answers_ping()
        assert server.answers() == expected
    assert server.end() == 0


def test_a_log_that_cannot_be_written_changes_no_answer(serve: Serve) -> None:
    server = serve(Path("/dev/full"))
    # This one is worth a line in the log.
    victim = min(server.workers())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in server.workers())
    assert len(server.answers()) == len(QUESTIONS)
    assert server.end() == 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
