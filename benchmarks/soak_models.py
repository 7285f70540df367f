"""A long run of a multi-model endpoint: models come and go, are forged and crash.

- Clients ask models that are always loaded, more than fit into memory together.
- Others load a model, ask it, unload it and find that it is gone.
- Forgers load what `benchmarks.forgeries` makes of a good model. If it is a model all
  the same, it is asked too.
- A worker is killed every 10 s.

Each answer is compared byte for byte with what the model says. It exits with 1 if

- a model that is loaded isn't there, or one that was unloaded is;
- an answer is wrong, or an honest request failed without a worker being killed;
- a forged model was loaded that can't be one, or ended a worker;
- process 1's memory grew by more than 5 %;
- the server didn't stop.

Options: ``--minutes M`` (10), ``--seed N`` (1).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.forgeries import FORGERIES
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.soak import (
    MAX_FAULTS_SHOWN,
    MAX_GROWTH,
    Case,
    RequestMaker,
    Tally,
    as_json,
    growth_of,
    workers_of,
)
from benchmarks.stacks import CSV, HALFSTAR, JSON, Running, running
from launcher.ports import LOOPBACK
from movielens import artifact
from serve.endpoint import answer
from serve.negotiation import RequestHeaders
from serve.resources import MIB, MODEL_FACTOR
from serve.served_model import ServedModel, load

N_STEADY = 8
N_ASKERS = 2
N_VISITORS = 2
N_FORGERS = 2
# So many models fit into memory.
ROOM = 7

SECONDS_BETWEEN_KILLS = 10.0
SECONDS_BETWEEN_PINGS = 0.2
REQUESTS_A_VISIT = 5

MANY = replace(
    HALFSTAR,
    environment={**HALFSTAR.environment, "SAGEMAKER_MULTI_MODEL": "true"},
)
# How a worker ends that we have killed.
KILLED = "by signal 9"


class Reply(NamedTuple):
    """What came back; the status is 0 if the connection broke."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Model:
    """A good model.

    Attributes:
        directory: of its artifact.
        cases: requests and their answers.
    """

    directory: Path
    cases: list[Case]


@dataclass
class ModelTally(Tally):
    """What has happened so far.

    Attributes:
        load_seconds: of good models.
        ping_seconds: of `/ping`.
    """

    load_seconds: list[float] = field(default_factory=list)
    ping_seconds: list[float] = field(default_factory=list)


class Endpoint:
    """Speaks to the server, one connection a request, since workers are killed."""

    def __init__(self, port: int, root: Path, tally: ModelTally) -> None:
        self.root = root
        self.tally = tally
        self._port = port

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = JSON
    ) -> Reply:
        """Send one request."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            return Reply(response.status, response.read())
        except (OSError, http.client.HTTPException):
            return Reply(0, b"")
        finally:
            connection.close()

    def load(self, name: str) -> Reply:
        """Load the model that is below its name."""
        model = {"model_name": name, "url": str(self.root / name / "model")}
        return self.request("POST", "/models", as_json(model))

    def ask(self, name: str, case: Case) -> Reply:
        """Ask a model."""
        path = f"/models/{name}/invoke"
        return self.request("POST", path, case.body, case.content_type)

    def check(self, kind: str, is_right: bool, what: str, reply: Reply) -> None:
        """Count a request; a wrong one is a fault unless a worker was just killed.

        No kill is an excuse for a wrong answer or a model that isn't there.
        """
        was_cut = reply.status in (0, 507)
        if not is_right and was_cut and self.tally.has_just_killed():
            self.tally.add("cut short by a kill")
        elif is_right:
            self.tally.add(kind)
        else:
            self.tally.add(kind, f"{what}: {reply.status} {reply.body[:300]!r}")


def make_cases(served: ServedModel) -> list[Case]:
    """Good requests, with their answers."""
    make = RequestMaker(served, seed=1)
    explained = {"instances": [make.row()], "parameters": {"contributions": 3}}
    requests = [(CSV, make.csv(1)) for _ in range(5)]
    requests += [(CSV, make.csv(100)), (JSON, make.instances(20))]
    requests += [
        (JSON, as_json({"userId": make.user(), "recommend": 10})),
        (JSON, as_json({"recommend": 5, "history": make.history()})),
        (JSON, as_json({"onboarding": 5, "history": make.history()})),
        (JSON, as_json(explained)),
    ]
    cases = []
    for content_type, body in requests:
        whole = answer(served, RequestHeaders(content_type), body).whole()
        cases.append(Case(content_type, body, whole.body))
    return cases


def fit_models(directory: Path) -> list[Model]:
    """Two models that answer differently."""
    models = []
    for name, changes in (("full", {}), ("small", {"num_round": 30, "seed": 5})):
        base_dir = directory / name
        fit(base_dir, **changes)
        models.append(Model(base_dir / "model", make_cases(load(base_dir / "model"))))
    return models


class Soak:
    """All that happens at once.

    Args:
        endpoint: what it happens to.
        models: good ones; names take turns with them.
        server: the endpoint's processes.
        seed: of all chances.
    """

    def __init__(
        self, endpoint: Endpoint, models: list[Model], server: Running, seed: int
    ) -> None:
        self.endpoint = endpoint
        self.tally = endpoint.tally
        self._models = models
        self._server = server
        self._seed = seed
        self._is_over = threading.Event()
        self.steady = {
            f"steady-{number}": models[number % len(models)]
            for number in range(N_STEADY)
        }

    def run(self, minutes: float) -> None:
        """Load the steady models, and do everything for that long."""
        for name, model in self.steady.items():
            shutil.copytree(model.directory, self.endpoint.root / name / "model")
            reply = self.endpoint.load(name)
            self.endpoint.check("loads", reply.status == 200, f"load {name}", reply)
        tasks: list[Callable[[], None]] = [self.kill, self.ping, self.watch_memory]
        tasks += [self._task(self.ask, number) for number in range(N_ASKERS)]
        tasks += [self._task(self.visit, number) for number in range(N_VISITORS)]
        tasks += [self._task(self.forge, number) for number in range(N_FORGERS)]
        with ThreadPoolExecutor(len(tasks)) as pool:
            futures = [pool.submit(task) for task in tasks]
            wait(futures, timeout=60 * minutes, return_when=FIRST_EXCEPTION)
            self._is_over.set()
        for future in futures:
            future.result()
        self.ask_all()

    def _task(
        self, do: Callable[[random.Random, int], None], number: int
    ) -> Callable[[], None]:
        rng = random.Random(f"{self._seed} {do.__name__} {number}")

        def task() -> None:
            while not self._is_over.is_set():
                do(rng, number)

        return task

    def ask(self, rng: random.Random, _number: int) -> None:
        """Ask a steady model."""
        name = rng.choice(sorted(self.steady))
        self._ask_one("asked", name, rng.choice(self.steady[name].cases))

    def _ask_one(self, kind: str, name: str, case: Case) -> None:
        reply = self.endpoint.ask(name, case)
        is_right = reply == (200, case.answer)
        self.endpoint.check(kind, is_right, f"{name}: {case.body[:80]!r}", reply)

    def ask_all(self) -> None:
        """Ask all steady models once more, and nobody else is there."""
        for name, model in self.steady.items():
            for case in model.cases:
                self._ask_one("asked at the end", name, case)
        reply = self.endpoint.request("GET", "/models")
        names = {model["modelName"] for model in json.loads(reply.body)["models"]}
        self.endpoint.check(
            "listed", names == set(self.steady), f"names are {sorted(names)}", reply
        )

    def visit(self, rng: random.Random, number: int) -> None:
        """Load a model, ask it and unload it."""
        name = f"visitor-{number}"
        model = rng.choice(self._models)
        place = self.endpoint.root / name / "model"
        shutil.copytree(model.directory, place)
        began = time.monotonic()
        reply = self.endpoint.load(name)
        if reply.status == 200:
            self.tally.load_seconds.append(time.monotonic() - began)
        self.endpoint.check("loads", reply.status == 200, f"load {name}", reply)
        if reply.status == 200:
            for case in rng.sample(model.cases, REQUESTS_A_VISIT):
                self._ask_one("asked", name, case)
        self._leave(name, was_there=reply.status == 200)
        shutil.rmtree(place.parent)

    def _leave(self, name: str, was_there: bool) -> None:
        """Unload a model until it is gone, then find that it is.

        A load or an unload that was cut short may have happened.
        """
        reply = self.endpoint.request("DELETE", f"/models/{name}")
        is_right = reply.status == 200 or (reply.status == 404 and not was_there)
        self.endpoint.check("unloads", is_right, f"unload {name}", reply)
        while reply.status not in (200, 404):
            reply = self.endpoint.request("DELETE", f"/models/{name}")
        reply = self.endpoint.request("GET", f"/models/{name}")
        while reply.status == 0:
            reply = self.endpoint.request("GET", f"/models/{name}")
        self.endpoint.check("found gone", reply.status == 404, f"find {name}", reply)

    def forge(self, rng: random.Random, number: int) -> None:
        """Load a forged model."""
        name = f"forged-{number}"
        forgery = rng.choice(FORGERIES)
        model = rng.choice(self._models)
        place = self.endpoint.root / name / "model"
        shutil.copytree(model.directory, place)
        forgery.forge(rng, place)
        reply = self.endpoint.load(name)
        passed = reply.status == 200
        is_right = reply.status == 400 or (passed and forgery.may_pass)
        self.endpoint.check("forged", is_right, forgery.name, reply)
        if b"ends its process" in reply.body:
            self.tally.add("forged, ended their proof")
        if passed:
            self.tally.add("forged, passed")
            for case in model.cases:
                self.endpoint.ask(name, case)
        self._leave(name, was_there=passed)
        shutil.rmtree(place.parent)

    def kill(self) -> None:
        """Kill the worker now and then."""
        while not self._is_over.wait(SECONDS_BETWEEN_KILLS):
            worker, *_ = workers_of(self._server)
            self.tally.killed.append(time.monotonic())
            os.kill(worker, signal.SIGKILL)

    def ping(self) -> None:
        """Time `/ping`, but not right after a kill, when a worker has to start."""
        while not self._is_over.wait(SECONDS_BETWEEN_PINGS):
            began = time.monotonic()
            reply = self.endpoint.request("GET", "/ping")
            self.endpoint.check("pings", reply.status == 200, "ping", reply)
            if not self.tally.has_just_killed():
                self.tally.ping_seconds.append(time.monotonic() - began)

    def watch_memory(self) -> None:
        """Sample the memory of process 1."""
        pid = self._server.processes[0].pid
        while not self._is_over.wait(1.0):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    self.tally.memory.append(int(line.split()[1]) / 1024)


def faults_in_log(log: str) -> list[str]:
    """Workers that ended otherwise than by being killed, and traces."""
    faults = [
        line
        for line in log.splitlines()
        if "a worker ended" in line and KILLED not in line
    ]
    if "Traceback" in log:
        faults.append(log[log.index("Traceback") :][:1000])
    return faults


def report(minutes: float, tally: ModelTally, growth: float) -> None:
    """Print what happened, and write it as JSON."""
    screen = console()
    for fault in tally.faults[:MAX_FAULTS_SHOWN]:
        screen.print(fault, markup=False)

    table = Table("what", "figure", title=f"{minutes:g} minutes of many models")
    for kind, count in sorted(tally.counts.items()):
        table.add_row(kind, f"{count:,}")
    table.add_row("workers killed", f"{len(tally.killed):,}")
    for name, seconds in (("load", tally.load_seconds), ("ping", tally.ping_seconds)):
        middle = statistics.median(seconds)
        table.add_row(f"seconds of a {name}, median", f"{middle:.3f}")
        table.add_row(f"seconds of a {name}, longest", f"{max(seconds):.3f}")
    table.add_row("process 1, MiB", f"{tally.memory[0]:.0f} to {tally.memory[-1]:.0f}")
    table.add_row("faults", f"{len(tally.faults):,}")
    screen.print(table)

    results: dict[str, Any] = {
        "minutes": minutes,
        "requests": dict(tally.counts),
        "workers_killed": len(tally.killed),
        "load_seconds": tally.load_seconds,
        "ping_seconds": tally.ping_seconds,
        "memory_mib": tally.memory,
        "memory_growth": growth,
        "faults": tally.faults,
    }
    save("soak-models", results, screen)


def main() -> None:
    """Soak, print what happened, write the JSON; exits with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak_models")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    directory = DIRECTORY / "soak-models"
    models = fit_models(directory)
    shutil.rmtree(directory / "models", ignore_errors=True)
    (directory / "models").mkdir()
    largest = max(artifact.size(model.directory) for model in models)
    room_mib = ROOM * MODEL_FACTOR * largest // MIB + 1
    stack = replace(
        MANY, environment={**MANY.environment, "HALFSTAR_MODELS_MIB": str(room_mib)}
    )

    tally = ModelTally()
    with running(stack, directory, 1, directory / "log") as server:
        port = int(server.url.rpartition(":")[2])
        endpoint = Endpoint(port, directory / "models", tally)
        Soak(endpoint, models, server, options.seed).run(options.minutes)
        server.processes[0].send_signal(signal.SIGTERM)
        exit_status = server.processes[0].wait(timeout=60)

    log = (directory / "log" / "log").read_text(errors="replace")
    tally.faults += faults_in_log(log)
    growth = growth_of(tally.memory)
    if exit_status:
        tally.faults.append(f"the server exited with {exit_status}")
    if growth > MAX_GROWTH:
        tally.faults.append(f"process 1's memory grew by {100 * growth:.1f} %")
    report(options.minutes, tally, growth)
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
