"""The ``serve`` command itself, as a process over a SageMaker-shaped directory."""

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

from movielens.model import Model
from tests.serve.by_hand import head

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def base_dir(model_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(model_dir, tmp_path / "model")
    return tmp_path


@pytest.fixture
def serve(base_dir: Path, port: int) -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(*before: str, **env: str) -> subprocess.Popen[str]:
        platform = {
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "serve"],
            env=os.environ | platform | env,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()


def url_of(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}{path}"


def wait_for_ping(process: subprocess.Popen[str], port: int) -> None:
    while process.poll() is None:
        try:
            response = httpx.get(url_of(port, "/ping"), trust_env=False, timeout=60)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            assert response.status_code == 200
            return
    raise AssertionError(process.communicate()[1])


def failure(process: subprocess.Popen[str]) -> str:
    """The one line that reports a fault at the start."""
    _, stderr = process.communicate()
    assert process.returncode == 1
    (line,) = stderr.splitlines()
    return line


def test_it_serves_the_artifact_and_stops_cleanly(
    serve: Serve, port: int, model: Model
) -> None:
    process = serve()
    wait_for_ping(process, port)
    pair = {"userId": 1, "movieId": 1}
    response = httpx.post(url_of(port, "/invocations"), json=pair, trust_env=False)
    names = [str(stars) for stars in model.class_values]
    assert list(response.json()["probabilities"]) == names
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 0
    (line,) = stderr.splitlines()
    counts = f"{len(model.class_values)} classes, {len(model.movies)} movies"
    assert f"on port {port}: {counts}" in line


def test_a_stop_finishes_requests_in_flight(serve: Serve, port: int) -> None:
    process = serve()
    wait_for_ping(process, port)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head("expect: 100-continue", "content-length: 3"))
        # Now it waits for the body.
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        process.send_signal(signal.SIGTERM)
        # The stop has begun when nobody listens any more.
        wait_until(lambda: not is_listening(port))
        connection.sendall(b"1,2")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    process.communicate()
    assert process.returncode == 0


def test_no_model_is_one_line(serve: Serve, base_dir: Path) -> None:
    (base_dir / "model" / "manifest.json").unlink()
    assert "manifest.json" in failure(serve())


def test_bad_settings_are_one_line(serve: Serve) -> None:
    line = failure(serve(SAGEMAKER_BIND_TO_PORT="http", HALFSTAR_MAX_BODY_MIB="0"))
    assert "SAGEMAKER_BIND_TO_PORT is 'http'" in line
    assert "HALFSTAR_MAX_BODY_MIB is '0'" in line


def test_a_port_in_use_is_one_line(serve: Serve, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", port))
        taken.listen()
        assert f"can't listen on port {port}" in failure(serve())


def workers_of(process: subprocess.Popen[str]) -> set[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return set(map(int, children.split()))


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:
        return False
    return True


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("count", ["1", "3"])
def test_a_worker_that_dies_is_replaced(serve: Serve, port: int, count: str) -> None:
    process = serve(HALFSTAR_WORKERS=count)
    wait_for_ping(process, port)
    for _ in range(3):
        before = workers_of(process)
        assert len(before) == int(count)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)

        def is_replaced(victim: int = victim) -> bool:
            now = workers_of(process)
            return len(now) == int(count) and victim not in now

        wait_until(is_replaced)
        for _ in range(10):  # each by a new connection, to any worker
            response = httpx.post(
                url_of(port, "/invocations"),
                content="1,2",
                trust_env=False,
                timeout=60,
            )
            assert response.status_code == 200
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 0
    assert stderr.count("a worker ended by signal 9") == 3
    assert "Traceback" not in stderr


def test_workers_end_with_the_supervisor(serve: Serve, port: int) -> None:
    process = serve(HALFSTAR_WORKERS="2")
    wait_for_ping(process, port)
    workers = workers_of(process)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, workers)))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its exit status."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    after_name = stat.rpartition(")")[2]
    return after_name.split()[0] != "Z"


def test_models_are_loaded_by_request(serve: Serve, base_dir: Path, port: int) -> None:
    process = serve(SAGEMAKER_MULTI_MODEL="true")
    wait_for_ping(process, port)
    loaded = httpx.post(
        url_of(port, "/models"),
        json={"model_name": "a", "url": str(base_dir / "model")},
        trust_env=False,
        timeout=60,
    )
    assert loaded.status_code == 200
    headers = {"content-type": "text/csv", "x-amzn-sagemaker-target-model": "a.tar.gz"}
    answer = httpx.post(
        url_of(port, "/models/a/invoke"),
        content="1,2",
        headers=headers,
        trust_env=False,
    )
    assert 0.5 <= float(answer.text) <= 5
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 0
    assert "models by request" in stderr


def processor_seconds(pid: int) -> float:
    """How long a process has worked so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_worker_with_few_file_descriptors_serves_on(serve: Serve, port: int) -> None:
    at_most = 80
    shell = ("sh", "-c", f'ulimit -n {at_most}; exec "$@"', "sh")
    process = serve(*shell, HALFSTAR_WORKERS="1")
    wait_for_ping(process, port)
    (worker,) = workers_of(process)
    with contextlib.ExitStack() as stack:
        for _ in range(3 * at_most):
            opened = socket.create_connection(("127.0.0.1", port), timeout=60)
            stack.enter_context(opened)
        for _ in range(10):
            response = httpx.get(url_of(port, "/ping"), trust_env=False, timeout=60)
            assert response.status_code == 200
        before = processor_seconds(worker)
        time.sleep(1)
        assert processor_seconds(worker) - before < 0.5
    assert workers_of(process) == {worker}


def test_a_worker_takes_all_the_file_descriptors_that_it_may_have(
    serve: Serve, port: int
) -> None:
    shell = ("sh", "-c", 'ulimit -S -n 70; exec "$@"', "sh")
    process = serve(*shell, HALFSTAR_WORKERS="1")
    wait_for_ping(process, port)
    (worker,) = workers_of(process)
    limits = Path(f"/proc/{worker}/limits").read_text()
    (line,) = [each for each in limits.splitlines() if "open files" in each]
    soft, hard = line.split()[3:5]
    assert soft == hard != "70"
