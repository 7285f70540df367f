"""The servers that are measured side by side: how each is started, asked and stopped.

Ours runs in `.venv`, the others in `.venv-servers`, each over the same artifact and
with one thread a request.
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
from typing import Any

from benchmarks.results import ROOT
from launcher.ports import free_port
from movielens.queries import RatingQueries

SERVERS = Path(__file__).parent / "servers"
OWN_BIN, SERVERS_BIN = Path(sys.executable).parent, ROOT / ".venv-servers" / "bin"
START_SECONDS = 120.0
POLL_SECONDS = 0.002

CSV, JSON = "text/csv", "application/json"
Ratings = Callable[[bytes], list[float]]


def as_csv(queries: RatingQueries) -> bytes:
    """Lines of ids and time."""
    columns = (
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.tolist(),
    )
    return "\n".join(
        f"{user},{movie},{int(time)}"
        for user, movie, time in zip(*columns, strict=True)
    ).encode()


def as_instances(queries: RatingQueries) -> bytes:
    """``{"instances": [...]}``."""
    columns = (
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.astype(int).tolist(),
    )
    rows = [
        dict(zip(("userId", "movieId", "timestamp"), row, strict=True))
        for row in zip(*columns, strict=True)
    ]
    return json.dumps({"instances": rows}).encode()


def as_tensors(queries: RatingQueries) -> bytes:
    """A request of the V2 protocol."""
    columns = {
        "userId": queries.user_id,
        "movieId": queries.movie_id,
        "timestamp": queries.timestamp.astype(int),
    }
    inputs = [
        {
            "name": name,
            "shape": [len(values), 1],
            "datatype": "INT64",
            "data": values.tolist(),
        }
        for name, values in columns.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def csv_ratings(answer: bytes) -> list[float]:
    """The ratings in a CSV answer."""
    return [float(line) for line in answer.split()]


def json_ratings(answer: bytes) -> list[float]:
    """The ratings in ``{"predictions": [...]}``."""
    return [float(record["rating"]) for record in json.loads(answer)["predictions"]]


def tensor_ratings(answer: bytes) -> list[float]:
    """The ratings in an answer of the V2 protocol."""
    outputs = {
        output["name"]: output["data"] for output in json.loads(answer)["outputs"]
    }
    return [float(rating) for rating in outputs["rating"]]


@dataclass(frozen=True)
class Stack:
    """A server by its kind.

    Attributes:
        name: for the tables.
        commands: of the processes, in the order of their start; ``$port``,
            ``$workers``, ``$directory`` are filled in.
        body: rows to a request.
        ratings: an answer to ratings, None where it isn't one.
        content_type: of requests.
        path, health: of requests, and of what answers 200 once the model is usable.
        environment: beside MODEL_DIR, PORT and WORKERS.
        files: written into ``$directory`` first, by name, with the same filled in.
    """

    name: str
    commands: tuple[str, ...]
    body: Callable[[RatingQueries], bytes] = as_instances
    ratings: Ratings | None = json_ratings
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
        # As the sample's `serve` starts them, which takes the number of workers from
        # the caller.
        "$servers_bin/gunicorn --timeout 60 -k sync -b unix:$directory/gunicorn.sock -w $workers "
        "benchmarks.servers.sample:app",
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
        "$servers_bin/uvicorn benchmarks.servers.fast:app --port $port --workers $workers --log-level warning",
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
        # Without workers of its own, MLServer answers in its one process.
        "settings.json": '{"host": "127.0.0.1", "http_port": $port, "grpc_port": $port2, "metrics_port": $port3, '
        '"parallel_workers": $extra_workers, "debug": false, "use_structured_logging": false}',
        "model-settings.json": '{"name": "halfstar", "implementation": "benchmarks.servers.mlserver_runtime.RawIds"}',
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
    """A stack that answers.

    Attributes:
        stack: its kind.
        url: where it listens.
        processes: those that were started, each the first of a group.
        start_seconds: from the start of the first to the first 200.
    """

    stack: Stack
    url: str
    processes: tuple[subprocess.Popen[bytes], ...]
    start_seconds: float

    def ask(self, body: bytes) -> bytes:
        """One answer."""
        headers = {"Content-Type": self.stack.content_type}
        request = urllib.request.Request(self.url + self.stack.path, body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: bytes = response.read()
        return answer


@contextlib.contextmanager
def running(
    stack: Stack, base_dir: Path, workers: int, directory: Path
) -> Iterator[Running]:
    """Start a stack over ``base_dir/model``, keep its files and its log in
    ``directory``, and stop it at the end.

    Raises:
        RuntimeError: if it ends, or doesn't answer within `START_SECONDS`, with the end
            of its log.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port = free_port()
    filled = {
        **{
            "port": port,
            "port2": free_port(),
            "port3": free_port(),
            "workers": workers,
        },
        "extra_workers": workers if workers > 1 else 0,
        **{
            "directory": directory,
            "base_dir": base_dir,
            "own_bin": OWN_BIN,
            "servers_bin": SERVERS_BIN,
        },
    }

    def fill(text: str) -> str:
        return string.Template(text).safe_substitute(filled)

    for name, text in stack.files.items():
        (directory / name).write_text(fill(text))
    environment = (
        os.environ
        | {
            **{
                "MODEL_DIR": str(base_dir / "model"),
                "PORT": str(port),
                "WORKERS": str(workers),
                "OMP_NUM_THREADS": "1",
            },
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "",  # modules are compiled once, as an image's are, and not at each start
            **{name: fill(value) for name, value in stack.environment.items()},
        }
    )
    began, processes = time.monotonic(), []
    with (directory / "log").open("wb") as log, contextlib.ExitStack() as stops:
        for command in stack.commands:
            process = subprocess.Popen(
                [fill(part) for part in command.split()],
                env=environment,
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            processes.append(process)
            stops.callback(_stop, process)
        url = f"http://127.0.0.1:{port}"
        _wait(url + stack.health, processes, directory / "log")
        yield Running(stack, url, tuple(processes), time.monotonic() - began)


def _wait(url: str, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and all(
        process.poll() is None for process in processes
    ):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=10).close()
            return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(
        f"{url} doesn't answer; the end of its log:\n{log.read_text(errors='replace')[-2000:]}"
    )


def _stop(process: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
