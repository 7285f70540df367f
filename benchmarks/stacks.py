"""The servers that are measured side by side: how each is started, asked and stopped.

Ours runs in `.venv`, the others in `.venv-servers`. All serve the same artifact, with
one thread a request.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results import ROOT
from launcher.ports import LOOPBACK, free_port
from movielens.queries import RatingQueries

SERVERS = Path(__file__).parent / "servers"
OWN_BIN = Path(sys.executable).parent
SERVERS_BIN = ROOT / ".venv-servers" / "bin"
START_SECONDS = 120.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.002

CSV = "text/csv"
JSON = "application/json"


def _rows(queries: RatingQueries) -> Iterator[tuple[int, int, int]]:
    """User, movie and time of each query."""
    return zip(
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.astype(int).tolist(),
        strict=True,
    )


def as_csv(queries: RatingQueries) -> bytes:
    """A request of CSV lines."""
    lines = [f"{user},{movie},{seconds}" for user, movie, seconds in _rows(queries)]
    return "\n".join(lines).encode()


def as_instances(queries: RatingQueries) -> bytes:
    """A request of ``{"instances": [...]}``."""
    instances = [
        {"userId": user, "movieId": movie, "timestamp": seconds}
        for user, movie, seconds in _rows(queries)
    ]
    return json.dumps({"instances": instances}).encode()


def as_tensors(queries: RatingQueries) -> bytes:
    """A request of the V2 inference protocol."""
    columns = {
        "userId": queries.user_id,
        "movieId": queries.movie_id,
        "timestamp": queries.timestamp.astype(int),
    }
    inputs = []
    for name, values in columns.items():
        shape = [len(values), 1]
        tensor = {"name": name, "shape": shape, "datatype": "INT64"}
        inputs.append({**tensor, "data": values.tolist()})
    return json.dumps({"inputs": inputs}).encode()


def csv_ratings(answer: bytes) -> list[float]:
    """The ratings in a CSV answer."""
    return [float(line) for line in answer.split()]


def json_ratings(answer: bytes) -> list[float]:
    """The ratings in ``{"predictions": [...]}``."""
    return [float(record["rating"]) for record in json.loads(answer)["predictions"]]


def tensor_ratings(answer: bytes) -> list[float]:
    """The ratings in an answer of the V2 inference protocol."""
    for output in json.loads(answer)["outputs"]:
        if output["name"] == "rating":
            return [float(rating) for rating in output["data"]]
    raise ValueError(f"no rating in {answer[:200]!r}")


@dataclass(frozen=True)
class Stack:
    """A kind of server.

    In ``commands``, ``environment`` and ``files`` the names that `placeholders` lists,
    such as ``$port``, are filled in.

    Attributes:
        name: for the tables.
        commands: of its processes, in the order in which they are started.
        body: makes a request of rows.
        ratings: reads the ratings in an answer; None for a server that gives none.
        content_type: of requests.
        path: of requests.
        health: the path that answers 200 once the model is usable.
        environment: in addition to MODEL_DIR, PORT and WORKERS.
        files: what to write into ``$directory`` first, by name.
    """

    name: str
    commands: tuple[str, ...]
    body: Callable[[RatingQueries], bytes] = as_instances
    ratings: Callable[[bytes], list[float]] | None = json_ratings
    content_type: str = JSON
    path: str = "/invocations"
    health: str = "/ping"
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


HALFSTAR = Stack(
    "Halfstar, CSV",
    ("$own_bin/python -m serve",),
    as_csv,
    csv_ratings,
    CSV,
    environment={
        "SAGEMAKER_BASE_DIR": "$base_dir",
        "SAGEMAKER_BIND_TO_PORT": "$port",
        "HALFSTAR_WORKERS": "$workers",
    },
)
HALFSTAR_JSON = Stack(
    "Halfstar, JSON", HALFSTAR.commands, environment=HALFSTAR.environment
)
ECHO = Stack(
    "echo of our server",
    ("$own_bin/python -m benchmarks.servers.echo",),
    as_csv,
    None,
    CSV,
)
SAMPLE = Stack(
    "AWS sample",
    (
        # As the sample's `serve` starts them; the caller chooses the number of workers.
        "$servers_bin/gunicorn --timeout 60 -k sync -b unix:$directory/gunicorn.sock "
        "-w $workers benchmarks.servers.sample:app",
        "nginx -c $directory/nginx.conf -p $directory",
    ),
    as_csv,
    csv_ratings,
    CSV,
    files={"nginx.conf": (SERVERS / "sample.nginx.conf").read_text()},
)
FASTAPI = Stack(
    "FastAPI",
    (
        "$servers_bin/uvicorn benchmarks.servers.fast:app "
        "--port $port --workers $workers --log-level warning",
    ),
)
MLSERVER = Stack(
    "MLServer",
    ("$servers_bin/mlserver start $directory",),
    as_tensors,
    tensor_ratings,
    path="/v2/models/halfstar/infer",
    health="/v2/models/halfstar/ready",
    files={
        "settings.json": """{
            "host": "127.0.0.1",
            "http_port": $port,
            "grpc_port": $port2,
            "metrics_port": $port3,
            "parallel_workers": $parallel_workers,
            "debug": false,
            "use_structured_logging": false
        }""",
        "model-settings.json": """{
            "name": "halfstar",
            "implementation": "benchmarks.servers.mlserver_runtime.RawIds"
        }""",
    },
)
BENTOML = Stack(
    "BentoML",
    ("$servers_bin/bentoml serve benchmarks.servers.bento:RawIds --port $port",),
    health="/readyz",
    environment={"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": "$directory"},
)
STACKS = (HALFSTAR, HALFSTAR_JSON, ECHO, SAMPLE, FASTAPI, MLSERVER, BENTOML)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        stack: its kind.
        url: where it listens.
        processes: those that were started; each leads a process group.
        start_seconds: from the start of the first process to the first 200.
    """

    stack: Stack
    url: str
    processes: tuple[subprocess.Popen[bytes], ...]
    start_seconds: float

    def ask(self, body: bytes) -> bytes:
        """The answer to one request."""
        headers = {"Content-Type": self.stack.content_type}
        request = urllib.request.Request(self.url + self.stack.path, body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: bytes = response.read()
        return answer


@contextlib.contextmanager
def running(
    stack: Stack, base_dir: Path, workers: int, directory: Path
) -> Iterator[Running]:
    """A server over ``base_dir/model``, stopped when the context is left.

    Its files and its log are kept in ``directory``.

    Raises:
        RuntimeError: if it ends, or doesn't answer within `START_SECONDS`; the message
            has the end of its log.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port = free_port()
    values = placeholders(base_dir, workers, directory, port)

    def fill(text: str) -> str:
        return string.Template(text).safe_substitute(values)

    for name, text in stack.files.items():
        (directory / name).write_text(fill(text))
    environment = {
        **os.environ,
        "MODEL_DIR": str(base_dir / "model"),
        "PORT": str(port),
        "WORKERS": str(workers),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        # Modules are compiled once, as in an image, and not at each start.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    for name, value in stack.environment.items():
        environment[name] = fill(value)

    started = time.monotonic()
    processes = []
    log_path = directory / "log"
    with log_path.open("wb") as log, contextlib.ExitStack() as stops:
        for command in stack.commands:
            process = subprocess.Popen(
                [fill(word) for word in command.split()],
                env=environment,
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            processes.append(process)
            stops.callback(_stop, process)
        url = f"http://{LOOPBACK}:{port}"
        _wait(url + stack.health, processes, log_path)
        yield Running(stack, url, tuple(processes), time.monotonic() - started)


def placeholders(
    base_dir: Path, workers: int, directory: Path, port: int
) -> dict[str, object]:
    """The values of the names that the commands and files of a `Stack` may use."""
    return {
        "own_bin": OWN_BIN,
        "servers_bin": SERVERS_BIN,
        "base_dir": base_dir,
        "directory": directory,
        "workers": workers,
        # Without parallel workers MLServer answers in its one process.
        "parallel_workers": workers if workers > 1 else 0,
        "port": port,
        "port2": free_port(),
        "port3": free_port(),
    }


def _wait(url: str, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    """Return once the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            break
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=10).close()
            return
        time.sleep(POLL_SECONDS)
    end_of_log = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{url} doesn't answer; the end of its log:\n{end_of_log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, by force if it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
