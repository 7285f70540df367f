from __future__ import annotations

import json
import socket

import httpx
import pytest

from serve.app import LONG_BODY
from serve.limits import ClientLimits
from serve.served_model import ServedModel
from tests.serve.by_hand import Address, exchange, head, send_for_ever, statuses
from tests.serve.conftest import Serving


def test_length_and_chunks_together_are_refused(address: Address) -> None:
    smuggled = (
        head("content-length: 3", "transfer-encoding: chunked")
        + b"0\r\n\r\n"
        + head(target="GET /ping HTTP/1.1")
    )
    received = exchange(address, smuggled)
    assert statuses(received) == [400]
    body = received.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        head("content-length: -1"),
        head("content-length: 1", "content-length: 2"),
        head("transfer-encoding: chunked") + b"xyz\r\n",
        head("bad header: 1"),
    ],
)
def test_what_is_not_http_is_400(address: Address, request_bytes: bytes) -> None:
    received = exchange(address, request_bytes)
    assert statuses(received)[-1:] == [400]


UPGRADE = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AA")
PING = "GET /ping HTTP/1.1"
LAST = head("connection: close", target="GET /nowhere HTTP/1.1")


def with_an_offer(body: bytes) -> bytes:
    """A request such as Java's HttpClient sends."""
    lines = ("content-type: text/csv", f"content-length: {len(body)}")
    return head(*UPGRADE, *lines) + body


@pytest.mark.parametrize(
    "offer", [UPGRADE, ("upgrade: h2c, x", "upgrade: websocket", "connection: upgrade")]
)
def test_an_offer_of_another_protocol_is_ignored(
    address: Address, offer: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    without_body = head(*offer, target=PING)
    lines = ("content-type: text/csv", "content-length: 3")
    with_body = head(*offer, *lines) + b"1,2"
    in_chunks = head(*offer, lines[0], "transfer-encoding: chunked")
    in_chunks += b"2\r\n1,\r\n1\r\n2\r\n0\r\n\r\n"
    plain = exchange(address, head(*lines, "connection: close") + b"1,2")
    for request in (without_body, with_body, in_chunks):
        received = exchange(address, request + LAST)
        assert statuses(received) == [200, 404]
        assert (plain[-3:] in received) == (request is not without_body)
    assert not caplog.records


def test_an_offer_may_come_in_pieces(address: Address) -> None:
    request = with_an_offer(b"1,2")
    for step in (1, 7, len(request) - 3, len(request) - 1):
        with socket.create_connection(address, timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(request), step):
                connection.sendall(request[start : start + step])
            connection.sendall(LAST)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        assert statuses(received) == [200, 404]


def test_many_offers_may_be_pipelined(address: Address) -> None:
    requests = [with_an_offer(b"1,2"), head(*UPGRADE, target=PING)] * 200
    assert statuses(exchange(address, b"".join(requests) + LAST)) == [200] * 400 + [404]


def test_an_offer_and_close_are_answered_once(address: Address) -> None:
    request = head("connection: upgrade, close", "upgrade: h2c", target=PING)
    assert statuses(exchange(address, request + LAST)) == [200]


def test_an_offer_may_wait_for_100_continue(address: Address) -> None:
    lines = ("content-type: text/csv", "content-length: 3", "expect: 100-continue")
    request = head(*UPGRADE, *lines) + b"1,2"
    assert statuses(exchange(address, request + LAST))[-2:] == [200, 404]


@pytest.mark.parametrize(
    "broken",
    [
        head(*UPGRADE, "content-length: 3", "transfer-encoding: chunked") + b"1,2",
        head(*UPGRADE, "transfer-encoding: chunked") + b"xyz\r\n",
        head(*UPGRADE, target="POST x:y:z HTTP/1.1"),
        with_an_offer(b"1,2") + b"nonsense\r\n\r\n",
    ],
)
def test_an_offer_makes_no_request_better(address: Address, broken: bytes) -> None:
    assert statuses(exchange(address, broken))[-1:] == [400]


def test_connect_is_refused(address: Address) -> None:
    assert statuses(exchange(address, head(target="CONNECT x:1 HTTP/1.1"))) == [400]


def test_chunks_may_have_extensions_and_trailers(address: Address) -> None:
    request = head(
        "transfer-encoding: chunked", "content-type: text/csv", "connection: close"
    )
    body = b"3;a=b\r\n1,2\r\n0\r\nx: y\r\n\r\n"
    assert statuses(exchange(address, request + body)) == [200]


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GET /ping HTTP/1.1\r\nx: ", 431),
        (b"GET /ping HTTP/1.1\r\n", 431),
        (b"GET /", 414),
        (b"GET /ping?", 414),
    ],
)
def test_an_endless_head_is_refused_and_cut_off(
    served: ServedModel, serving: Serving, start: bytes, status: int
) -> None:
    limits = ClientLimits(linger_s=0.1)
    line = b"x: y\r\n" if start.endswith(b"\n") else b"x" * 6
    with (
        serving(served, client_limits=limits) as address,
        socket.create_connection(address, timeout=60) as connection,
    ):
        connection.sendall(start + line * 3000)
        assert statuses(connection.recv(65536)) == [status]
        with pytest.raises(ConnectionError):
            send_for_ever(connection)


@pytest.mark.parametrize("part", [b"", b"\r\n", b"GET /ping", b"GET / HTTP/1.1\r\nx"])
def test_a_client_that_does_not_finish_its_head_is_cut_off(
    served: ServedModel, serving: Serving, part: bytes
) -> None:
    limits = ClientLimits(head_s=0.2)
    with serving(served, client_limits=limits) as address:
        received = exchange(address, part)
    assert statuses(received) == ([408] if part else [])


def test_a_later_head_is_timed_too(served: ServedModel, serving: Serving) -> None:
    limits = ClientLimits(head_s=0.2)
    with serving(served, client_limits=limits) as address:
        received = exchange(address, head(target=PING) + b"GET")
    assert statuses(received) == [200, 408]


def test_an_idle_client_is_hung_up_on(served: ServedModel, serving: Serving) -> None:
    limits = ClientLimits(keep_alive_s=0)
    with serving(served, client_limits=limits) as address:
        assert statuses(exchange(address, head(target=PING))) == [200]


def test_a_client_that_goes_on_sending_after_its_answer_is_cut_off(
    served: ServedModel, serving: Serving
) -> None:
    limits = ClientLimits(head_s=0.2)
    with (
        serving(served, max_body_mib=1, client_limits=limits) as address,
        socket.create_connection(address, timeout=60) as connection,
    ):
        connection.sendall(head("transfer-encoding: chunked"))
        with pytest.raises(ConnectionError):
            send_for_ever(connection, b"10000\r\n" + b"x" * 65536 + b"\r\n")


def test_a_truncated_body_gets_no_answer_and_harms_nobody(
    address: Address, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    for request in (
        head("content-length: 10") + b"1,2",
        head("transfer-encoding: chunked") + b"5\r\n1,",
    ):
        assert exchange(address, request, then_close=True) == b""
    assert client.get("/ping").status_code == 200
    assert not caplog.records


def test_http_1_0_is_answered_and_closed(address: Address) -> None:
    request = head(
        "content-type: text/csv",
        "content-length: 3",
        target="POST /invocations HTTP/1.0",
    )
    assert statuses(exchange(address, request + b"1,2")) == [200]


def test_pipelined_requests_are_answered_in_order(address: Address) -> None:
    def request_of(body: bytes) -> bytes:
        return head("content-type: text/csv", f"content-length: {len(body)}") + body

    last = head("connection: close", target="GET /nowhere HTTP/1.1")
    requests = [request_of(b"1,2\n" * LONG_BODY), *[request_of(b"1,2")] * 2, last]
    received = exchange(address, b"".join(requests))
    assert statuses(received) == [200, 200, 200, 404]
