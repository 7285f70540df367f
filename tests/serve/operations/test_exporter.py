"""Process 1, two workers and the exporter, as ``serve`` starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from serve.operations.counters import Board
from serve.operations.emf import UNITS
from serve.operations.exporter import Exporter, bind_exporter
from serve.operations.report import Reporter
from serve.settings import ServeSettings
from tests.serve.operations.conftest import StartServer, free_ports, wait_until

OK = 'halfstar_requests_total{route="invocations",status="200"}'
BAD = 'halfstar_requests_total{route="invocations",status="400"}'


def test_workers_are_summed_and_a_dead_one_is_not_forgotten(
    start_server: StartServer,
) -> None:
    server = start_server(HALFSTAR_WORKERS="2")
    for _ in range(30):
        assert server.ask(b"1,2\n3,4") == 200
    assert server.ask(b"1,x") == 400
    # One while it was waited for. Workers count ten times a second.
    wait_until(lambda: server.metrics()[OK] == 31 and server.metrics()[BAD] == 1)
    before = server.metrics()
    assert before['halfstar_rows_total{kind="prediction"}'] == 61
    assert before["halfstar_request_duration_seconds_count"] == 32
    assert before["halfstar_worker_restarts_total"] == 0
    resident = [name for name in before if name.startswith("halfstar_resident")]
    assert len(resident) == 3

    # Whichever dies, workers or exporter, another takes its place and goes on.
    children = server.children()
    assert len(children) == 3
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(server.children()) == 3 and not children & server.children())
    wait_until(lambda: server.ask(b"1,2") == 200)
    wait_until(lambda: server.metrics()["halfstar_worker_restarts_total"] == 2)
    wait_until(lambda: server.metrics()[OK] == 32)
    assert "Traceback" not in server.stop()


def test_the_metrics_port_has_nothing_else(start_server: StartServer) -> None:
    server = start_server()
    other = f"http://127.0.0.1:{server.metrics_port}"
    for path in ("/ping", "/invocations", "/execution-parameters"):
        assert httpx.get(other + path, trust_env=False).status_code == 404
    assert httpx.post(other + "/metrics", trust_env=False).status_code == 405
    assert httpx.head(other + "/metrics", trust_env=False).status_code == 200
    assert server.client.get("/metrics").status_code == 404


def test_lines_for_cloudwatch_and_of_the_log_hold_every_request(
    start_server: StartServer,
) -> None:
    server = start_server(
        HALFSTAR_WORKERS="2",
        HALFSTAR_METRICS_PORT="",
        HALFSTAR_EMF_SECONDS="1",
        HALFSTAR_EMF_ENDPOINT="movies-1",
        HALFSTAR_REQUEST_LOG="true",
    )
    wait_until(lambda: any("_aws" in line for line in server.lines()))
    for _ in range(10):
        server.ask(b"1,2\n3,4\n999999999,4")
    server.ask(b"1,x")
    server.stop()

    lines = server.lines()
    periods = [line for line in lines if "_aws" in line]
    requests = [line for line in lines if "_aws" not in line]
    assert len(requests) == sum(line["Requests"] for line in periods) == 12
    assert sum(line["ClientErrors"] for line in periods) == 1
    assert sum(line["ServerErrors"] for line in periods) == 0
    assert sum(line["Rows"] for line in periods) == 31
    for line in periods:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], line["Endpoint"]) == ("Halfstar", "movies-1")
        assert directive["Dimensions"] == [["Endpoint"]]
        for metric in directive["Metrics"]:
            assert metric["Unit"] == UNITS[metric["Name"]]
            assert metric["Name"] in line
    measured = [line["Latency"] for line in periods if "Latency" in line]
    assert sum(each["Count"] for each in measured) == 12
    assert all(sum(each["Counts"]) == each["Count"] for each in measured)


def test_an_exporter_without_a_port_waits_for_the_end_of_process_1() -> None:
    environment = {"HALFSTAR_EMF_SECONDS": "60", "HALFSTAR_WORKERS": "1"}
    settings = ServeSettings.from_environment(environment)
    exporter = Exporter(Reporter(Board(1), {}), settings)
    watch, held_open = os.pipe()
    os.set_blocking(watch, False)  # as a worker's loop makes it
    with ThreadPoolExecutor(1) as threads, bind_exporter(settings.operations) as bound:
        running = threads.submit(exporter.run, bound, watch)
        with pytest.raises(TimeoutError):
            running.result(timeout=0.2)
        os.close(held_open)
        running.result(timeout=60)
    os.close(watch)


def test_a_metrics_port_in_use_is_one_line(base_dir: Path) -> None:
    port, metrics_port = free_ports(2)
    environment = os.environ | {
        "SAGEMAKER_BASE_DIR": str(base_dir),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "HALFSTAR_METRICS_PORT": str(metrics_port),
    }
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", metrics_port))
        taken.listen()
        failed = subprocess.run(
            [sys.executable, "-m", "serve"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert f"can't listen on port {metrics_port}" in line
    assert line.endswith("set HALFSTAR_METRICS_PORT")
