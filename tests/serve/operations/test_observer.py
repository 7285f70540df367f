"""An observed server in a thread; its counts are looked at from outside."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.app import Api
from serve.limits import ClientLimits
from serve.operations.counters import PING, Board, Cell, Totals
from serve.operations.observer import Observer
from serve.operations.request_log import request_log
from serve.operations.tally import GONE
from serve.served_model import ServedModel
from tests.serve.by_hand import exchange, head, statuses
from tests.serve.conftest import Address, MakeModels, Serving


class Watch:
    """What is seen of one server."""

    def __init__(self) -> None:
        self.board = Board(1)
        self.text = bytearray()

    def observe(self, application: Api) -> Observer:
        slot = self.board.slot(0, request_log(PING))
        return Observer(application, slot, self.text.extend)

    def requests(self) -> dict[tuple[str, int], int]:
        """Those that occurred."""
        counts = self.board.totals().requests()
        return {place: count for place, count in counts.items() if count}

    def until(self, holds: Callable[[Totals], bool]) -> None:
        deadline = time.monotonic() + 60
        while not holds(self.board.totals()):
            assert time.monotonic() < deadline, self.requests()
            time.sleep(0.01)

    def until_counted(self, route: str, status: int, count: int = 1) -> None:
        self.until(lambda totals: totals.requests().get((route, status)) == count)

    def logged(self, count: int) -> list[dict[str, Any]]:
        """The lines of the log, once there are so many."""
        self.until(lambda _: self.text.count(b"\n") >= count)
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def address(serving: Serving, served: ServedModel, watch: Watch) -> Iterator[Address]:
    limits = ClientLimits(body_window_s=0.2, linger_s=0.1)
    with serving(
        served, watch.observe, max_body_mib=1, max_concurrent=1, client_limits=limits
    ) as address:
        yield address


def client_of(address: Address) -> httpx.Client:
    host, port = address
    return httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60)


def test_requests_are_counted_by_route_and_status(
    address: Address, watch: Watch
) -> None:
    csv = {"content-type": "text/csv"}
    with client_of(address) as client:
        client.post("/invocations", content=b"1,2\n1,3", headers=csv)
        client.post("/invocations", content=b"1,x", headers=csv)
        client.get("/invocations")
        client.get("/ping")
        client.get("/execution-parameters")
        client.get("/1,318")
    watch.until_counted("other", 404)
    assert watch.requests() == {
        ("invocations", 200): 1,
        ("invocations", 400): 1,
        ("invocations", 405): 1,
        ("ping", 200): 1,
        ("execution-parameters", 200): 1,
        ("other", 404): 1,
    }
    totals = watch.board.totals()
    assert totals.number(Cell.PREDICTIONS) == 2
    assert sum(totals.buckets) == 3
    assert totals.seconds > 0


def test_what_isnt_a_request_counts_as_another_route(
    address: Address, watch: Watch
) -> None:
    assert statuses(exchange(address, b"no request\r\n\r\n")) == [400]
    assert statuses(exchange(address, head(target="GET / HTTP/2.0"))) == [505]
    watch.until_counted("other", 505)
    assert watch.requests() == {("other", 400): 1, ("other", 505): 1}


def test_a_body_that_stops_coming_counts_once_and_as_it_was_answered(
    address: Address, watch: Watch
) -> None:
    request = head("content-type: text/csv", "content-length: 100") + b"1,2"
    assert statuses(exchange(address, request)) == [408]
    watch.until_counted("invocations", 408)
    assert watch.requests() == {("invocations", 408): 1}


def test_a_client_that_hangs_up_counts_as_gone(address: Address, watch: Watch) -> None:
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(head("content-length: 100") + b"1,2")
    watch.until_counted("invocations", GONE)
    assert watch.requests() == {("invocations", GONE): 1}
    assert sum(watch.board.totals().buckets) == 0


def test_long_bodies_that_wait_for_a_thread_are_seen(
    address: Address, watch: Watch
) -> None:
    body = b"1,2\n" * 2**17
    are_over = threading.Event()

    def ask() -> None:
        with client_of(address) as client:
            while not are_over.is_set():
                answer = client.post(
                    "/invocations", content=body, headers={"content-type": "text/csv"}
                )
                assert answer.status_code == 200

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        watch.until(lambda totals: totals.number(Cell.QUEUED) > 0)
        watch.until(lambda totals: totals.number(Cell.IN_PROGRESS) > 1)
        watch.until(lambda totals: totals.number(Cell.CONNECTIONS) == 4)
    finally:
        are_over.set()
        for thread in threads:
            thread.join()
    watch.until(lambda totals: totals.number(Cell.QUEUED) == 0)
    watch.until(lambda totals: totals.number(Cell.CONNECTIONS) == 0)


def test_the_log_has_numbers_and_the_inference_id_and_nothing_of_the_rows(
    address: Address, watch: Watch
) -> None:
    user, movie = 987654321, 123456789
    with client_of(address) as client:
        client.get("/ping")
        client.post(
            "/invocations",
            json=[{"userId": user, "movieId": movie}, {"userId": 1, "recommend": 2}],
            headers={"x-amzn-sagemaker-inference-id": "order 7"},
        )
        client.post("/invocations", json={"userId": user, "movieId": str(movie)})
        client.get(f"/{user}")
    good, bad, missing = watch.logged(3)
    text = watch.text.decode()
    assert str(user) not in text
    assert str(movie) not in text

    assert good["id"] == "order 7"
    assert (good["route"], good["status"]) == ("invocations", 200)
    assert (good["rows"], good["questions"], good["bad_rows"]) == (2, 1, 0)
    assert good["unknown_share"] == 0.5
    assert good["ms"] > 0
    assert (bad["status"], bad["rows"], bad["unknown_share"]) == (400, 0, None)
    assert (missing["route"], missing["status"]) == ("other", 404)
    assert bad["id"] != missing["id"]
    assert set(good) == set(bad) == set(missing)


def test_answers_are_byte_for_byte_those_of_a_server_without_metrics(
    serving: Serving, served: ServedModel, address: Address
) -> None:
    requests = [
        head("content-type: text/csv", "content-length: 7") + b"1,2\n3,4",
        head("content-type: text/csv", "content-length: 3") + b"1,x",
        head("content-length: 17") + b"[[1, 2], [1, 10]]",
        head(target="GET /ping HTTP/1.1"),
        head(target="GET /nothing HTTP/1.1"),
        head("content-length: x"),
    ]

    def answers_of(server: Address) -> list[list[bytes]]:
        found = []
        for request in requests:
            lines = exchange(server, request, then_close=True).split(b"\r\n")
            found.append([each for each in lines if not each.startswith(b"date: ")])
        return found

    with serving(served, max_body_mib=1) as without:
        assert answers_of(address) == answers_of(without)


def test_unknown_ids_of_single_rows_are_counted_once(
    address: Address, watch: Watch
) -> None:
    n_requests = 1500
    row = b"999999999,88888"
    csv = ("content-type: text/csv", f"content-length: {len(row)}")
    request = head(*csv) + row
    last = head(*csv, "connection: close") + row
    found = statuses(exchange(address, request * (n_requests - 1) + last))
    assert found == [200] * n_requests
    watch.until_counted("invocations", 200, n_requests)
    totals = watch.board.totals()
    for cell in (Cell.PREDICTIONS, Cell.UNKNOWN_ROWS, Cell.UNKNOWN_USERS):
        assert totals.number(cell) == n_requests


def test_models_are_counted(
    serving: Serving, make_models: MakeModels, model_dir: Path, watch: Watch
) -> None:
    with (
        serving(make_models(3), watch.observe) as address,
        client_of(address) as client,
    ):
        loaded = client.post("/models", json={"model_name": "a", "url": str(model_dir)})
        assert loaded.status_code == 200
        watch.until(lambda totals: totals.number(Cell.MODELS) == 1)
        client.post("/models/a/invoke", json=[[1, 2]])
        client.delete("/models/a")
        watch.until(lambda totals: totals.number(Cell.MODELS) == 0)
    assert watch.requests() == {("models", 200): 2, ("invocations", 200): 1}
