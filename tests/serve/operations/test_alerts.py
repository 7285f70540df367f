"""A real Prometheus scrapes the server, with the example's configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from container.debian import ensure_commands
from tests.serve.operations.conftest import (
    Server,
    StartServer,
    free_ports,
    wait_until,
)
from tests.serve.operations.dashboard import DASHBOARD, EXAMPLES, INSTANCE, SERIES

PACKAGES = ("prometheus",)


class Prometheus:
    """A Prometheus that scrapes one server, five times a second."""

    def __init__(self, server: Server, directory: Path) -> None:
        (port,) = free_ports(1)
        configuration = (EXAMPLES / "prometheus.yml").read_text()
        target = f"127.0.0.1:{server.metrics_port}"
        configuration = configuration.replace("localhost:9464", target)
        configuration = configuration.replace(": 15s", ": 200ms")
        file = directory / "prometheus.yml"
        file.write_text(configuration)
        shutil.copy(EXAMPLES / "alerts.yml", directory)
        self.log = directory / "prometheus.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stderr=log,
            )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=60
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The value now of each series; none while it starts."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            answer = self.client.get("/query", params={"query": expression}).json()
        except (httpx.TransportError, json.JSONDecodeError):
            return []
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def instances(self) -> list[str]:
        """What it scrapes, by the labels of requests."""
        (variable,) = (
            each for each in DASHBOARD["templating"]["list"] if each["name"] == INSTANCE
        )
        match = re.fullmatch(
            r"label_values\((\w+), (\w+)\)", variable["query"]["query"]
        )
        assert match is not None
        metric, label = match.groups()
        answer = self.client.get(f"/label/{label}/values", params={"match[]": metric})
        found: list[str] = answer.json()["data"]
        assert found
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self.client.get("/alerts").json()["data"]["alerts"]
        return {
            alert["labels"]["alertname"]
            for alert in alerts
            if alert["state"] == "firing"
        }

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    ensure_commands({"prometheus": PACKAGES, "promtool": PACKAGES})


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return start_server(HALFSTAR_WORKERS="2")


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Iterator[Prometheus]:
    running = Prometheus(server, tmp_path)
    yield running
    running.close()


def test_alerts_fire_when_there_are_errors_and_when_a_worker_dies(
    server: Server, prometheus: Prometheus
) -> None:
    total = 'sum(halfstar_requests_total{status="200"})'
    wait_until(lambda: bool(prometheus.query(total)))
    assert server.ask(b"1,2") == 200
    wait_until(lambda: float(prometheus.query(total)[0]["value"][1]) >= 2)
    assert prometheus.firing() == set()

    for _ in range(20):
        assert server.ask(b"1,x") == 400
    wait_until(lambda: "HalfstarClientErrors" in prometheus.firing())

    os.kill(min(server.children()), signal.SIGKILL)
    wait_until(lambda: "HalfstarWorkerDied" in prometheus.firing())
    assert "HalfstarServerErrors" not in prometheus.firing()

    # What the dashboard's variable offers: all instances, or one of them.
    for instance in (".*", *prometheus.instances()):
        for each in SERIES:
            found = prometheus.query(each.expression(instance))
            assert found, f"{each.title} shows nothing: {each.query}"
            for series in found:
                assert each.labels <= set(series["metric"]), each.legend


def test_every_question_of_the_dashboard_is_one_that_promtool_can_parse(
    tmp_path: Path,
) -> None:
    expressions = [
        each.expression(instance)
        for instance in (".*", "a:9464|b:9464")
        for each in SERIES
    ]
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "rules.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run(
        ["promtool", "check", "rules", str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"{len(rules)} rules found" in checked.stdout


def test_promtool_finds_no_fault_and_examples_name_metrics_that_there_are(
    server: Server,
) -> None:
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    scraped = httpx.get(url, trust_env=False).content
    subprocess.run(["promtool", "check", "metrics"], input=scraped, check=True)
    rules = EXAMPLES / "alerts.yml"
    subprocess.run(["promtool", "check", "rules", str(rules)], check=True)

    offered = {re.sub(r"\{.*", "", metric) for metric in server.metrics()}
    for name in ("alerts.yml", "grafana.json"):
        named = set(re.findall(r"halfstar_\w+", (EXAMPLES / name).read_text()))
        assert named
        assert named <= offered
