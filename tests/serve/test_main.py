"""The ``serve`` command itself, as a process over a SageMaker-shaped directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from movielens.model import Model
from movielens.signature import signature_of
from tests.forging import make_crashing
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


def test_files_that_are_overwritten_while_they_are_served_change_nothing(
    serve: Serve, base_dir: Path, port: int
) -> None:
    process = serve(HALFSTAR_WORKERS="2")
    wait_for_ping(process, port)

    def ask(attributes: str = "") -> str:
        # Each by a new connection, to any worker.
        answer = httpx.post(
            url_of(port, "/invocations"),
            json={"userId": 1, "movieId": 1},
            headers={"x-amzn-sagemaker-custom-attributes": attributes},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 200
        return answer.text

    before = ask()
    workers = workers_of(process)
    # As `cp` does it: the same files, first empty and then with another content.
    for path in (base_dir / "model").iterdir():
        path.write_bytes(b"another model")
    assert {ask() for _ in range(20)} == {before}
    # XGBoost's own trees weren't needed before.
    explained = json.loads(ask("contributions=3"))
    assert len(explained["contributions"]["features"]) == 3
    assert explained["probabilities"] == json.loads(before)["probabilities"]
    assert workers_of(process) == workers


def test_with_a_key_only_a_signed_model_is_served(
    serve: Serve, base_dir: Path, port: int
) -> None:
    key = "0123456789abcdef"
    line = failure(serve(HALFSTAR_SIGNING_KEY=key))
    assert "has no manifest.sig, and a signing key is set" in line
    assert "HALFSTAR_SIGNING_KEY has 5 bytes" in failure(
        serve(HALFSTAR_SIGNING_KEY="short")
    )
    manifest = (base_dir / "model" / "manifest.json").read_bytes()
    signature = base_dir / "model" / "manifest.sig"
    signature.write_bytes(signature_of(manifest, b"another key of 16 bytes"))
    line = failure(serve(HALFSTAR_SIGNING_KEY=key))
    assert "isn't the signature of the manifest by this key" in line

    signature.write_bytes(signature_of(manifest, key.encode()))
    wait_for_ping(serve(HALFSTAR_SIGNING_KEY=key), port)


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


def test_a_crash_leaves_a_trace_in_the_log(
    serve: Serve, base_dir: Path, port: int
) -> None:
    make_crashing(base_dir / "model")
    process = serve(HALFSTAR_WORKERS="1")
    wait_for_ping(process, port)
    explained = {
        "instances": [{"userId": 1, "movieId": 2}],
        "parameters": {"contributions": 1},
    }
    with pytest.raises(httpx.TransportError):
        httpx.post(
            url_of(port, "/invocations"), json=explained, trust_env=False, timeout=60
        )
    wait_for_ping(process, port)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert "Fatal Python error: Segmentation fault" in stderr
    assert "a worker ended by signal 11" in stderr


# Several models


class Many:
    """A server of models that are loaded by request, and its directory of models."""

    def __init__(self, process: subprocess.Popen[str], port: int, root: Path) -> None:
        self.process = process
        self.root = root
        self._client = httpx.Client(
            base_url=url_of(port, ""), trust_env=False, timeout=60
        )

    def load(self, name: str) -> httpx.Response:
        url = self.root / name / "model"
        model = {"model_name": name, "url": str(url)}
        return self._request("POST", "/models", json=model)

    def unload(self, name: str) -> int:
        return self._request("DELETE", f"/models/{name}").status_code

    def names(self) -> list[str]:
        listed = self._request("GET", "/models").json()["models"]
        return [model["modelName"] for model in listed]

    def invoke(self, name: str) -> httpx.Response:
        headers = {
            "content-type": "text/csv",
            "x-amzn-sagemaker-target-model": f"{name}.tar.gz",
        }
        path = f"/models/{name}/invoke"
        return self._request("POST", path, content="1,2", headers=headers)

    def kill_worker(self) -> None:
        # The process of the last proof may still be ending.
        wait_until(lambda: len(workers_of(self.process)) == 1)
        (worker,) = workers_of(self.process)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: worker not in workers_of(self.process))

    def stop(self) -> str:
        """End it; gives its log."""
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate()
        assert self.process.returncode == 0
        return stderr

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        # A worker that is killed takes its connections along.
        headers = {**options.pop("headers", {}), "connection": "close"}
        return self._client.request(method, path, headers=headers, **options)


@pytest.fixture
def many(serve: Serve, base_dir: Path, port: int) -> Iterator[Many]:
    """With two models, neither of them loaded."""
    root = base_dir / "models"
    for name in "ab":
        shutil.copytree(base_dir / "model", root / name / "model")
    process = serve(SAGEMAKER_MULTI_MODEL="true")
    wait_for_ping(process, port)
    many = Many(process, port, root)
    yield many
    many._client.close()


def test_models_are_loaded_by_request(many: Many) -> None:
    assert many.load("a").status_code == 200
    assert 0.5 <= float(many.invoke("a").text) <= 5
    assert "models by request" in many.stop()


def test_a_worker_that_dies_loses_no_model(many: Many) -> None:
    for name in "ab":
        assert many.load(name).status_code == 200
    expected = many.invoke("a").text
    assert many.unload("b") == 200
    for _ in range(3):
        many.kill_worker()
        assert many.invoke("a").text == expected
        assert many.names() == ["a"]
        assert many.load("a").status_code == 409
        assert many.load("b").status_code == 200
        assert many.unload("b") == 200
    many.kill_worker()
    assert many.unload("a") == 200
    many.kill_worker()
    assert many.names() == []
    assert "Traceback" not in many.stop()


def test_a_forged_booster_is_refused_and_nothing_else_happens(many: Many) -> None:
    assert many.load("a").status_code == 200
    wait_until(lambda: len(workers_of(many.process)) == 1)
    (worker,) = workers_of(many.process)
    make_crashing(many.root / "b" / "model")
    for _ in range(2):
        assert many.load("b").status_code == 400
    wait_until(lambda: workers_of(many.process) == {worker})
    assert many.names() == ["a"]
    assert many.invoke("a").status_code == 200
    assert "Traceback" not in many.stop()


def test_a_load_whose_worker_is_killed_leaves_nothing(many: Many) -> None:
    (worker,) = workers_of(many.process)

    def is_asked_for_a_proof() -> bool:
        return workers_of(many.process) != {worker}

    def load() -> None:
        with contextlib.suppress(httpx.TransportError):
            many.load("a")

    loading = threading.Thread(target=load)
    loading.start()
    wait_until(is_asked_for_a_proof)
    os.kill(worker, signal.SIGKILL)
    loading.join()
    wait_until(lambda: worker not in workers_of(many.process))
    # The worker may have died between its report and its answer.
    assert many.load("a").status_code in (200, 409)
    assert many.invoke("a").status_code == 200
    assert many.names() == ["a"]


def test_a_stop_during_a_load_is_clean(many: Many) -> None:
    loading = threading.Thread(target=many.load, args=("a",))
    loading.start()
    wait_until(lambda: len(workers_of(many.process)) > 1)
    many.stop()
    loading.join()


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
