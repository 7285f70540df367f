from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from serve.app import LONG_BODY
from serve.asgi import Receive, Scope, Send
from serve.errors import CODES
from serve.limits import ClientLimits
from serve.response import Response
from serve.served_model import ServedModel
from serve.server import bind, make_server
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


CHUNKED = "transfer-encoding: chunked"
CSV = "content-type: text/csv"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /ping\r\n", 400),
        (b"GET /ping HTTP/1.1\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\nhost: x\n\n", 400),
        (b"GET /ping HTTP/1.1\rhost: x\r\r\n\r\n", 400),
        (head("host: x", target="GET /ping HTTP/1.1"), 400),
        (head("host: y", target="GET /ping HTTP/1.1"), 400),
        (head(target="GET /ping HTTP/0.9"), 505),
        (head(target="GET /ping HTTP/2.0"), 505),
        (head(target="PRI * HTTP/2.0"), 505),
        (head(target="CONNECT x:1 HTTP/1.1"), 400),
        (head(target="BREW /ping HTTP/1.1"), 400),
        (head(target="GET ping HTTP/1.1"), 400),
        (head(target="GET /" + "x" * 9000 + " HTTP/1.1"), 414),
        (head("x: " + "y" * 20_000), 431),
        (head("bad header: 1"), 400),
        (head(": 1"), 400),
        (head("x : 1"), 400),
        (head("x: a\r\n b"), 400),
        (head("x: a\0b"), 400),
        (head("x\0: ab"), 400),
        (head("x: a\rb"), 400),
        (head("x: a\nb"), 400),
        (head("expect: 200-ok", "content-length: 3"), 417),
        (head("content-length: -1"), 400),
        (head("content-length: +1"), 400),
        (head("content-length: 0x1"), 400),
        (head("content-length: 1, 1"), 400),
        (head("content-length: 1", "content-length: 1"), 400),
        (head("content-length: 1", "content-length: 2"), 400),
        (head("content-length: 99999999999999999999"), 400),
        (head("transfer-encoding: gzip, chunked"), 501),
        (head("transfer-encoding: gzip", CHUNKED), 501),
        (head("transfer-encoding: identity"), 501),
        (head(CHUNKED, "content-length: 3"), 400),
        (head(CHUNKED, target="POST /invocations HTTP/1.0"), 400),
        (head(CHUNKED) + b"xyz\r\n", 400),
        (head(CHUNKED) + b"-3\r\n", 400),
        (head(CHUNKED) + b"0x3\r\n", 400),
        (head(CHUNKED) + b"f" * 40 + b"\r\n", 400),
        (head(CHUNKED) + b"3\n1,2\r\n0\r\n\r\n", 400),
        (head(CHUNKED) + b"3\r\n1,20\r\n\r\n", 400),
        (head(CHUNKED) + b"0\r\nno trailer\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_refused_in_json(
    address: Address, request_bytes: bytes, status: int
) -> None:
    received = exchange(address, request_bytes + LAST)
    assert statuses(received) == [status]
    headers, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in headers
    assert json.loads(body)["error"]["code"] == CODES[status]


@pytest.mark.parametrize(
    "framing",
    [
        b"3;" + b"x" * 40_000,
        b"3;" + b"x=y;" * 10_000 + b"\r\n1,2\r\n0\r\n\r\n",
        b"0" * 40_000,
        b"0\r\n" + b"x: y\r\n" * 6_000,
    ],
)
def test_chunks_are_mostly_contents(address: Address, framing: bytes) -> None:
    assert statuses(exchange(address, head(CHUNKED, CSV) + framing)) == [400]


def test_chunks_of_one_byte_are_read(address: Address) -> None:
    body = b"1,2\n" * 2000
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\n\r\n"
    request = head(CHUNKED, CSV, "connection: close") + chunks
    received = exchange(address, request)
    assert statuses(received) == [200]
    assert received.endswith(b"\n4.0") or len(received.split(b"\n")) > 2000


def test_trailers_are_no_headers(address: Address) -> None:
    chunks = b"3\r\n1,2\r\n0\r\ncontent-type: text/html\r\nhost: y\r\n\r\n"
    assert statuses(exchange(address, head(CHUNKED, CSV) + chunks + LAST)) == [200, 404]


def test_a_whole_url_is_a_target(address: Address) -> None:
    request = head(target="GET http://example.com:8080/ping?x HTTP/1.1")
    assert statuses(exchange(address, request + LAST)) == [200, 404]


def test_head_and_get_may_have_a_body(address: Address) -> None:
    for method in ("HEAD", "GET"):
        target = f"{method} /ping HTTP/1.1"
        counted = head("content-length: 3", target=target) + b"1,2"
        in_chunks = head(CHUNKED, target=target) + b"3\r\n1,2\r\n0\r\n\r\n"
        received = exchange(address, counted + in_chunks + LAST)
        assert statuses(received) == [200, 200, 404]


def test_http_1_0_is_not_told_to_continue(address: Address) -> None:
    lines = (CSV, "expect: 100-continue", "content-length: 3")
    request = head(*lines, target="POST /invocations HTTP/1.0")
    assert statuses(exchange(address, request + b"1,2")) == [200]


def test_a_flood_of_bad_requests_is_no_flood_of_the_log(
    served: ServedModel, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(served) as address:
        for _ in range(100):
            assert statuses(exchange(address, b"nonsense\r\n\r\n")) == [400]
    assert 1 <= len(caplog.records) < 20
    assert "refused a client with 400" in caplog.text


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


def test_a_bad_request_is_answered_after_those_before_it(address: Address) -> None:
    long_body = b"1,2\n" * LONG_BODY
    request = head(CSV, f"content-length: {len(long_body)}") + long_body
    received = exchange(address, request + b"nonsense\r\n\r\n")
    assert statuses(received) == [200, 400]


def test_any_number_of_requests_may_be_pipelined(address: Address) -> None:
    received = exchange(address, head(target=PING) * 5000 + LAST)
    assert statuses(received) == [200] * 5000 + [404]


MIB = 2**20
DECLARED = head(CSV, f"content-length: {6 * MIB}")


@contextlib.contextmanager
def held(address: Address, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this, and wait."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            opened = socket.create_connection(address, timeout=60)
            connections.append(stack.enter_context(opened))
            with contextlib.suppress(ConnectionError):
                opened.sendall(request)
        yield connections


def post_rows(address: Address, in_chunks: bool = False) -> httpx.Response:
    """An honest request with a long body; it has much less time than a slow one."""
    host, port = address
    body = b"1,2\n" * LONG_BODY
    return httpx.post(
        f"http://{host}:{port}/invocations",
        content=iter([body]) if in_chunks else body,
        headers={"content-type": "text/csv"},
        trust_env=False,
        timeout=20,
    )


@pytest.mark.parametrize(
    "beginning", [DECLARED + b"1,", head(CSV, CHUNKED) + b"6\r\n1,318\n\r\n"]
)
def test_bodies_that_do_not_come_hold_nobody_up(
    served: ServedModel, serving: Serving, beginning: bytes
) -> None:
    limits = ClientLimits(body_window_s=300)
    with (
        serving(served, client_limits=limits) as address,
        held(address, beginning, 200),
    ):
        assert post_rows(address).status_code == 200
        assert post_rows(address, in_chunks=True).status_code == 200


def test_if_bodies_that_stopped_take_all_memory_the_oldest_gives_way(
    served: ServedModel, serving: Serving
) -> None:
    beginning = DECLARED + b"\n" * (6 * MIB - 1)
    with (
        serving(served) as address,
        held(address, beginning, 12) as connections,  # of which 64 MiB hold ten
    ):
        assert post_rows(address).status_code == 200
        answer = connections[0].recv(65536)
        assert statuses(answer) == [503]
        assert b"retry-after: 1\r\n" in answer
        assert b'"code":"overloaded"' in answer
        connections[-1].sendall(b"\n")
        assert statuses(connections[-1].recv(65536)) == [400]  # no rows: it was read


@pytest.mark.parametrize(
    "beginning", [DECLARED, DECLARED + b"1,", head(CHUNKED), head(CHUNKED) + b"3\r\n1"]
)
def test_a_body_that_stops_is_408(
    served: ServedModel, serving: Serving, beginning: bytes
) -> None:
    limits = ClientLimits(body_window_s=0.1)
    with serving(served, client_limits=limits) as address:
        received = exchange(address, beginning)
    assert statuses(received) == [408]
    assert b'"code":"request_timeout"' in received


def test_a_body_that_takes_too_long_is_408(
    served: ServedModel, serving: Serving
) -> None:
    limits = ClientLimits(body_window_s=0.05, body_rate=0, body_s=0.2)
    with serving(served, client_limits=limits) as address:
        assert statuses(exchange(address, DECLARED + b"1,")) == [408]


def test_a_slow_body_that_is_fast_enough_is_read(
    served: ServedModel, serving: Serving
) -> None:
    limits = ClientLimits(body_window_s=0.05, body_rate=0)
    request = head(CSV, "content-length: 3", "connection: close") + b"1,2"
    with (
        serving(served, client_limits=limits) as address,
        socket.create_connection(address, timeout=60) as connection,
    ):
        connection.sendall(request[:-2])
        time.sleep(0.3)
        connection.sendall(request[-2:])
        assert statuses(connection.recv(65536)) == [200]


def test_idle_clients_give_way_to_new_ones(
    served: ServedModel, serving: Serving
) -> None:
    limits = ClientLimits(connections=20)
    with serving(served, client_limits=limits) as address, held(address, b"", 100):
        assert post_rows(address).status_code == 200
        with held(address, b"GET /ping HTTP/1.1\r\n", 30) as connections:
            assert statuses(connections[0].recv(65536)) == [503]
            assert post_rows(address).status_code == 200


async def answer_much(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with more than the kernel takes."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
    else:
        await Response(200, b"x" * 7 * MIB).send(send)


def test_answers_that_nobody_takes_give_way() -> None:
    (bound,) = bind(0)
    bound.listen()
    server = make_server(answer_much, held_bytes=8 * MIB)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    address = ("127.0.0.1", bound.getsockname()[1])
    try:
        with contextlib.ExitStack() as stack:
            connections = []
            for _ in range(10):
                taken = socket.socket()
                connections.append(stack.enter_context(taken))
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                taken.connect(address)
                taken.sendall(head(target=PING))
            assert len(exchange(address, LAST)) > 7 * MIB
            received = b""
            while chunk := connections[0].recv(65536):
                received += chunk
            assert len(received) < 7 * MIB  # the rest was dropped
    finally:
        server.should_exit = True
        thread.join()
