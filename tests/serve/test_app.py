from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from movielens.model import Model
from movielens.tables import RatingTable
from serve.app import LONG_BODY
from serve.codec import PARSERS, RENDERERS
from serve.predicted_rows import predict_rows
from serve.rows import Shape
from serve.served_model import ServedModel
from serve.server import MAX_HEAD_BYTES

Address = tuple[str, int]
MIB = 2**20
PAIR = {"userId": 1, "movieId": 2}
BODIES = {
    "text/csv": b"userId,movieId\n1,2\n4,10",
    "application/json": b'[{"userId": 1, "movieId": 2}, {"userId": 4, "movieId": 10}]',
    "application/jsonlines": b'{"userId": 1, "movieId": 2}\n{"userId": 4, "movieId": 10}\n',
}


def ask(
    client: httpx.Client, body: bytes | Iterator[bytes], **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", content=body, headers=named)


def error_of(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/json"
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert "Traceback" not in response.text
    return error


def test_ping_has_no_body(client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        response = client.request(method, "/ping")
        assert (response.status_code, response.content) == (200, b"")
        assert "server" not in response.headers


def test_execution_parameters(client: httpx.Client) -> None:
    expected = {
        "MaxConcurrentTransforms": 2,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 1,
    }
    assert client.get("/execution-parameters").json() == expected


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "text/csv",
        "text/csv; verbose=true",
        "application/json",
        "application/jsonlines",
    ],
)
def test_every_type_is_answered_as_every_type(
    client: httpx.Client, model: Model, content_type: str, accept: str
) -> None:
    response = ask(
        client, BODIES[content_type], content_type=content_type, accept=accept
    )
    assert response.status_code == 200, response.text
    wanted, _, parameters = accept.partition("; ")
    wanted = content_type if wanted == "*/*" else wanted
    predictions = predict_rows(
        model, PARSERS[content_type](BODIES[content_type]).queries
    )
    verbose = {"verbose": "true"} if parameters else {}
    assert response.headers["content-type"] == wanted
    assert response.content == RENDERERS[wanted](predictions, Shape.LIST, verbose)


def test_json_answers_mirror_the_request(client: httpx.Client) -> None:
    one = client.post("/invocations", json=PAIR, headers={"accept": "*/*"}).json()
    assert (one["userId"], one["movieId"]) == (1, 2)
    assert client.post("/invocations", json=[PAIR]).json() == [one]
    assert client.post("/invocations", json={"instances": [PAIR]}).json() == {
        "predictions": [one]
    }


def test_served_is_what_was_computed(
    client: httpx.Client, model: Model, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    columns = (
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.tolist(),
    )
    body = "\n".join(
        f"{user},{movie},{time}" for user, movie, time in zip(*columns, strict=True)
    ).encode()
    assert len(body) > LONG_BODY
    answer = ask(
        client, body, content_type="text/csv", accept="application/json"
    ).json()
    served = np.array(
        [list(record["probabilities"].values()) for record in answer], dtype=np.float32
    )
    np.testing.assert_array_equal(served, model.predict(queries).probabilities)
    alone = ask(
        client, body.split(b"\n")[7], content_type="text/csv", accept="application/json"
    ).json()
    assert alone == [answer[7]]


def test_unknown_ids_are_answered_and_flagged(client: httpx.Client) -> None:
    for user_id, movie_id in [(10**12, 1), (1, 10**12), (-1, 0), (2**63 - 1, -(2**63))]:
        record = client.post(
            "/invocations", json={"userId": user_id, "movieId": movie_id}
        ).json()
        assert not (record["known_user"] and record["known_movie"])
        assert 0.5 <= record["rating"] <= 5
        assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_bad_row_is_400_with_its_place(client: httpx.Client) -> None:
    response = ask(client, b"1,2\n1,x", content_type="text/csv")
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "bad_request"
    assert error["message"].startswith(
        "line 2: movieId is 'x', expected a whole number"
    )


REFUSALS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", "/", {}, 404, "not_found"),
    ("POST", "/ping/", {}, 404, "not_found"),
    ("GET", "/models", {}, 404, "not_found"),
    ("GET", "/invocations", {}, 405, "method_not_allowed"),
    ("POST", "/ping", {}, 405, "method_not_allowed"),
    ("DELETE", "/execution-parameters", {}, 405, "method_not_allowed"),
    (
        "POST",
        "/invocations",
        {"content-type": "text/csv", "accept": "text/html"},
        406,
        "not_acceptable",
    ),
    (
        "POST",
        "/invocations",
        {"content-type": "application/x-npy"},
        415,
        "unsupported_media_type",
    ),
    (
        "POST",
        "/invocations",
        {"content-type": "text/csv; charset=latin-1"},
        415,
        "unsupported_media_type",
    ),
    (
        "POST",
        "/invocations",
        {"content-type": "text/csv", "content-encoding": "gzip"},
        415,
        "unsupported_media_type",
    ),
    ("POST", "/invocations", {"content-type": "text/csv"}, 400, "bad_request"),
    ("GET", "/ping", {"x-long": "x" * MAX_HEAD_BYTES}, 431, "headers_too_large"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "code"), REFUSALS)
def test_refusals_are_json(
    client: httpx.Client,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    response = client.request(method, path, headers=headers)
    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert ("allow" in response.headers) == (status == 405)


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    response = ask(client, iter([b"1,", b"2\n", b"4,10"]), content_type="text/csv")
    assert response.request.headers["transfer-encoding"] == "chunked"
    assert len(response.text.split("\n")) == 2


def test_a_chunked_body_over_the_limit_is_413(client: httpx.Client) -> None:
    response = ask(client, iter([b"1,2\n" * 2**16] * 5), content_type="text/csv")
    assert response.status_code == 413
    assert error_of(response)["code"] == "payload_too_large"
    assert client.get("/ping").status_code == 200


def test_a_body_at_the_limit_is_answered(client: httpx.Client) -> None:
    body = b"1,2\n" * 1000
    body += b"\n" * (MIB - len(body))
    assert ask(client, body, content_type="text/csv").status_code == 200
    assert ask(client, body + b"\n", content_type="text/csv").status_code == 413


class Held:
    """The model, which waits with rows, but not with the one that `/ping` asks for,
    until it is let go.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.let_go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, queries: Any) -> Any:
        assert len(queries) == 1 or self.let_go.wait(60)
        return self._model.predict(queries)


def test_ping_is_answered_while_a_long_body_is_worked_on(
    served: ServedModel, serving: Any
) -> None:
    held = Held(served.model)
    statuses: list[int] = []
    with (
        serving(replace(served, model=held)) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=60
        ) as client,
    ):
        body = b"1,2\n" * LONG_BODY
        thread = threading.Thread(
            target=lambda: statuses.append(
                ask(client, body, content_type="text/csv").status_code
            )
        )
        thread.start()
        assert client.get("/ping").status_code == 200
        held.let_go.set()
        thread.join()
    assert statuses == [200]


def test_a_bug_is_500_and_its_trace_stays_in_the_log(
    served: ServedModel, serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Held):
        def predict(self, queries: Any) -> Any:
            return self._model.predict(queries, "too much")  # type: ignore[call-arg]

    with serving(replace(served, model=Broken(served.model))) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/invocations", json=PAIR, trust_env=False
        )
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal_error"
    assert "TypeError" not in response.text
    assert "TypeError" in caplog.text


# What follows speaks HTTP by hand.


def exchange(address: Address, request: bytes, then_close: bool = False) -> bytes:
    """All that the server says until it hangs up; the request must make it do so, or we
    stop sending.
    """
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(request)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def head(*lines: str, target: str = "POST /invocations HTTP/1.1") -> bytes:
    return "\r\n".join([target, "host: test", *lines, "", ""]).encode()


def send_for_ever(connection: socket.socket, part: bytes = b"x" * 65536) -> None:
    while True:
        connection.sendall(part)


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def test_length_and_chunks_together_are_refused(address: Address) -> None:
    smuggled = (
        head("content-length: 3", "transfer-encoding: chunked")
        + b"0\r\n\r\n"
        + head(target="GET /ping HTTP/1.1")
    )
    received = exchange(address, smuggled)
    assert statuses(received) == [400]
    assert (
        json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"
    )


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


def test_a_body_behind_an_upgrade_is_refused(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    asks = "connection: upgrade", "upgrade: h2c"
    received = exchange(address, head(*asks, "content-length: 3") + b"1,2")
    assert statuses(received) == [400]
    assert b"leave out Upgrade" in received
    assert statuses(
        exchange(
            address,
            head("connection: upgrade, close", asks[1], target="GET /ping HTTP/1.1"),
        )
    ) == [200]
    assert statuses(exchange(address, head(target="CONNECT x:1 HTTP/1.1"))) == [400]
    assert not any(record.exc_info for record in caplog.records)


def test_chunks_may_have_extensions_and_trailers(address: Address) -> None:
    chunks = head(
        "transfer-encoding: chunked", "content-type: text/csv", "connection: close"
    )
    assert statuses(
        exchange(address, chunks + b"3;a=b\r\n1,2\r\n0\r\nx: y\r\n\r\n")
    ) == [200]


def test_an_oversize_body_is_413_before_it_is_sent(address: Address) -> None:
    request = head(
        f"content-length: {MIB + 1}",
        "content-type: text/csv",
        "expect: 100-continue",
        "connection: close",
    )
    received = exchange(address, request)
    assert statuses(received) == [413]


def test_an_endless_head_is_cut_off(address: Address) -> None:
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nx: ")
        with pytest.raises(ConnectionError):
            send_for_ever(connection)


def test_who_goes_on_sending_after_the_answer_is_cut_off(
    served: ServedModel, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.server.HEAD_S", 0.2)
    with (
        serving(served, max_body_mib=1) as address,
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
    body = b"1,2"
    request = (
        head(
            "content-type: text/csv",
            f"content-length: {len(body)}",
            target="POST /invocations HTTP/1.0",
        )
        + body
    )
    assert statuses(exchange(address, request)) == [200]


def test_pipelined_requests_are_answered_in_order(address: Address) -> None:
    body = b"1,2"
    rows = head("content-type: text/csv", f"content-length: {len(body)}") + body
    long_body = b"1,2\n" * LONG_BODY
    long_rows = (
        head("content-type: text/csv", f"content-length: {len(long_body)}") + long_body
    )
    last = head("connection: close", target="GET /nowhere HTTP/1.1")
    assert statuses(exchange(address, long_rows + rows + rows + last)) == [
        200,
        200,
        200,
        404,
    ]
