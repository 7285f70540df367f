from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from movielens.errors import RequestError
from movielens.model import Model
from movielens.tables import RatingTable
from serve.app import LONG_BODY
from serve.endpoint import AnswerRules
from serve.formats.registry import FORMATS
from serve.formats.renderer import AnswerStyle
from serve.limits import ClientLimits
from serve.predicted_rows import predict_rows
from serve.rows import Shape
from serve.served_model import ServedModel
from tests.serve.by_hand import Address, exchange, head, statuses
from tests.serve.conftest import Serving

MIB = 2**20
PAIR = {"userId": 1, "movieId": 2}
BODIES = {
    "text/csv": b"userId,movieId\n1,2\n4,10",
    "application/json": b'[{"userId": 1, "movieId": 2}, {"userId": 4, "movieId": 10}]',
    "application/jsonlines": b'{"userId": 1, "movieId": 2}\n'
    b'{"userId": 4, "movieId": 10}\n',
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
    name, _, parameters = accept.partition("; ")
    expected_type = content_type if name == "*/*" else name
    assert response.headers["content-type"] == expected_type
    parsed = FORMATS[content_type].parser.strict(BODIES[content_type]).whole()
    predicted = predict_rows(model, parsed.queries)
    style = AnswerStyle(is_verbose=bool(parameters))
    renderer = FORMATS[expected_type].renderer
    assert response.content == renderer.whole(predicted, Shape.LIST, style)


def test_json_answers_mirror_the_request(client: httpx.Client) -> None:
    one = client.post("/invocations", json=PAIR, headers={"accept": "*/*"}).json()
    assert (one["userId"], one["movieId"]) == (1, 2)
    assert client.post("/invocations", json=[PAIR]).json() == [one]
    assert client.post("/invocations", json={"instances": [PAIR]}).json() == {
        "predictions": [one]
    }


def test_answers_say_exactly_what_the_model_predicts(
    client: httpx.Client, model: Model, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    columns = zip(
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.tolist(),
        strict=True,
    )
    lines = [f"{user},{movie},{time}".encode() for user, movie, time in columns]
    body = b"\n".join(lines)
    assert len(body) > LONG_BODY

    def records_of(body: bytes) -> Any:
        types = {"content_type": "text/csv", "accept": "application/json"}
        return ask(client, body, **types).json()

    records = records_of(body)
    rows = [list(record["probabilities"].values()) for record in records]
    answered = np.array(rows, dtype=np.float32)
    np.testing.assert_array_equal(answered, model.predict(queries).probabilities)
    assert records_of(lines[7]) == [records[7]]


def test_unknown_ids_are_answered_and_flagged(client: httpx.Client) -> None:
    unknown = [(10**12, 1), (1, 10**12), (-1, 0), (2**63 - 1, -(2**63))]
    for user_id, movie_id in unknown:
        pair = {"userId": user_id, "movieId": movie_id}
        record = client.post("/invocations", json=pair).json()
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
        {"content-type": "text/csv", "content-encoding": "gzip"},
        415,
        "unsupported_media_type",
    ),
    ("POST", "/invocations", {"content-type": "text/csv"}, 400, "bad_request"),
    (
        "GET",
        "/ping",
        {"x-long": "x" * ClientLimits().head_bytes},
        431,
        "headers_too_large",
    ),
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


PING = head("connection: close", target="GET /ping HTTP/1.1")


class Held:
    """A model that doesn't predict until it is let go.

    The one row that `/ping` asks for is the exception.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.let_go = threading.Event()
        self.n_calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict_and_look_up(self, queries: Any) -> Any:
        if len(queries) > 1:
            self.n_calls += 1
            assert self.let_go.wait(60)
        return self._model.predict_and_look_up(queries)


def test_ping_is_answered_while_a_long_body_is_worked_on(
    served: ServedModel, serving: Serving
) -> None:
    held: Any = Held(served.model)
    answered: list[int] = []
    with (
        serving(replace(served, model=held)) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=60
        ) as client,
    ):
        body = b"1,2\n" * LONG_BODY

        def send_body() -> None:
            response = ask(client, body, content_type="text/csv")
            answered.append(response.status_code)

        thread = threading.Thread(target=send_body)
        thread.start()
        assert client.get("/ping").status_code == 200
        held.let_go.set()
        thread.join()
    assert answered == [200]


@pytest.fixture
def held(served: ServedModel) -> Iterator[ServedModel]:
    """The small model, held; it is let go at the end of the test at the latest."""
    model: Any = Held(served.model)
    yield replace(served, model=model)
    model.let_go.set()


def let_go(served: ServedModel) -> None:
    model: Any = served.model
    model.let_go.set()


def long_request(n_bytes: int = LONG_BODY) -> bytes:
    """A request of two rows and spaces."""
    rows = b'[{"userId": 1, "movieId": 2}, {"userId": 1, "movieId": 2}]'
    lines = ("content-type: application/json", f"content-length: {n_bytes}")
    return head(*lines, "connection: close") + rows.ljust(n_bytes)


def overloads(received: bytes) -> bool:
    """Whether an answer says that the server has too much to do."""
    is_503 = received.startswith(b"HTTP/1.1 503 ")
    return is_503 and b"retry-after: 1" in received and b'"overloaded"' in received


def test_a_long_body_waits_for_a_thread_only_so_long(
    held: ServedModel, serving: Serving
) -> None:
    limits = ClientLimits(queue_s=0.2)
    with (
        serving(held, max_concurrent=1, client_limits=limits) as address,
        socket.create_connection(address, timeout=60) as first,
    ):
        first.sendall(long_request())
        assert overloads(exchange(address, long_request()))
        let_go(held)
        assert statuses(first.recv(65536)) == [200]


def test_the_body_of_a_client_that_has_hung_up_is_not_worked_on(
    held: ServedModel, serving: Serving
) -> None:
    model: Any = held.model
    with (
        serving(held, max_concurrent=1) as address,
        socket.create_connection(address, timeout=60) as first,
    ):
        first.sendall(long_request())
        for _ in range(3):
            with socket.create_connection(address, timeout=60) as impatient:
                impatient.sendall(long_request())
                assert statuses(exchange(address, PING)) == [200]
        for _ in range(10):  # meanwhile the server notices
            assert statuses(exchange(address, PING)) == [200]
        let_go(held)
        assert statuses(first.recv(65536)) == [200]
        assert statuses(exchange(address, long_request())) == [200]
    assert model.n_calls == 2


def test_no_more_is_computed_for_a_client_that_has_hung_up(
    served: ServedModel, serving: Serving
) -> None:
    class HeldLater(Held):
        def predict_and_look_up(self, queries: Any) -> Any:
            if len(queries) > 1:
                self.n_calls += 1
                assert self.n_calls < 2 or self.let_go.wait(60)
            return self._model.predict_and_look_up(queries)

    model: Any = HeldLater(served.model)
    body = b"1,2\n" * (8 * AnswerRules().block_rows)
    request = head("content-type: text/csv", f"content-length: {len(body)}") + body
    with serving(replace(served, model=model)) as address:
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(request)
            assert statuses(connection.recv(65536)) == [200]
        for _ in range(10):  # meanwhile the server notices
            assert statuses(exchange(address, PING)) == [200]
        model.let_go.set()
        assert statuses(exchange(address, long_request())) == [200]
    assert model.n_calls < 8


def test_complete_bodies_do_not_give_way(held: ServedModel, serving: Serving) -> None:
    with (
        serving(held, max_concurrent=1) as address,
        contextlib.ExitStack() as stack,
    ):
        request = long_request(6 * MIB)
        connections = []
        for _ in range(10):  # 60 MiB of the 64 that there are
            opened = socket.create_connection(address, timeout=60)
            connections.append(stack.enter_context(opened))
            opened.sendall(request)
        for _ in range(100):  # meanwhile the server reads them
            assert statuses(exchange(address, PING)) == [200]
        assert overloads(exchange(address, request))
        let_go(held)
        for each in connections:
            assert statuses(each.recv(65536)) == [200]
        assert statuses(exchange(address, request)) == [200]  # there is room again


@pytest.mark.slow
def test_the_long_bodies_of_a_batch_wait_for_each_other(
    held: ServedModel, serving: Serving
) -> None:
    answers: list[bytes] = []
    request = long_request(40 * MIB)
    with serving(
        held,
        is_batch=True,
        max_body_mib=40,
        max_concurrent=1,
        client_limits=ClientLimits(queue_s=0.1),
    ) as address:

        def send() -> None:
            answers.append(exchange(address, request))

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        threads[0].join(0.5)
        let_go(held)
        for thread in threads:
            thread.join()
    assert [statuses(each) for each in answers] == [[200]] * 4


def test_what_a_stop_cuts_short_is_503(held: ServedModel, serving: Serving) -> None:
    limits = ClientLimits(drain_s=0)
    with contextlib.ExitStack() as stack:
        with serving(held, client_limits=limits) as address:
            opened = socket.create_connection(address, timeout=60)
            connection = stack.enter_context(opened)
            connection.sendall(long_request())
            assert statuses(exchange(address, PING)) == [200]
        assert overloads(connection.recv(65536))


def test_half_a_surrogate_in_a_message_is_escaped(
    served: ServedModel, serving: Serving
) -> None:
    class Complains(Held):
        def predict_and_look_up(self, queries: Any) -> Any:
            raise RequestError(f"a name is \ud800, for {len(queries)} rows")

    complaining: Any = Complains(served.model)
    with serving(replace(served, model=complaining)) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/invocations", json=PAIR, trust_env=False
        )
    assert response.status_code == 400
    assert error_of(response)["message"] == "a name is \\ud800, for 1 rows"


def test_a_bug_is_500_and_its_trace_stays_in_the_log(
    served: ServedModel, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Held):
        def predict_and_look_up(self, queries: Any) -> Any:
            raise TypeError(f"a bug in the model, for {queries}")

    broken: Any = Broken(served.model)
    with serving(replace(served, model=broken)) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/invocations", json=PAIR, trust_env=False
        )
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal_error"
    assert "TypeError" not in response.text
    assert "TypeError" in caplog.text


def test_a_bug_in_a_later_block_is_500_where_nothing_was_sent_yet(
    served: ServedModel, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    class BreaksLater(Held):
        def predict_and_look_up(self, queries: Any) -> Any:
            self.n_calls += len(queries) > 1
            if self.n_calls > 1:
                raise TypeError("a bug in the model")
            return self._model.predict_and_look_up(queries)

    breaking: Any = BreaksLater(served.model)
    body = b"1,2\n" * (2 * AnswerRules().block_rows)
    request = head(
        "content-type: text/csv",
        f"content-length: {len(body)}",
        target="POST /invocations HTTP/1.0",
    )
    with serving(replace(served, model=breaking)) as address:
        received = exchange(address, request + body)
    assert statuses(received) == [500]
    assert b'"code":"internal_error"' in received
    assert "TypeError" in caplog.text


def test_an_oversize_body_is_413_before_it_is_sent(address: Address) -> None:
    request = head(
        f"content-length: {MIB + 1}",
        "content-type: text/csv",
        "expect: 100-continue",
        "connection: close",
    )
    assert statuses(exchange(address, request)) == [413]


def test_a_long_answer_to_http_1_0_has_a_length(address: Address) -> None:
    rows = AnswerRules().block_rows + 1
    body = b"1,2\n" * rows
    request = head(
        "content-type: text/csv",
        f"content-length: {len(body)}",
        target="POST /invocations HTTP/1.0",
    )
    received = exchange(address, request + body)
    headers, _, answer = received.partition(b"\r\n\r\n")
    assert f"content-length: {len(answer)}".encode() in headers.lower()
    assert len(answer.split(b"\n")) == rows


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize("body", [b"", b" \r\n", b"\x1a"])
def test_an_empty_body_of_a_batch_has_no_answer(
    served: ServedModel, serving: Serving, content_type: str, body: bytes
) -> None:
    request = head(f"content-type: {content_type}", f"content-length: {len(body)}")
    last = head("connection: close", target="GET /nowhere HTTP/1.1")
    with serving(served, is_batch=True) as address:
        received = exchange(address, request + body + last)
    assert statuses(received) == [204, 404]
    assert b"content-length" not in received.partition(b"\r\n\r\n")[0].lower()


def test_a_batch_of_single_records_refuses_a_header_of_its_own(
    served: ServedModel, serving: Serving
) -> None:
    records = {b"userId,movieId": 200, b"movieId,userId": 400, b"1,2": 200, b"x": 200}
    for strategy in ("SINGLE_RECORD", "MULTI_RECORD"):
        settings = {"is_batch": True, "batch_strategy": strategy}
        with (
            serving(served, **settings) as (host, port),
            httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client,
        ):
            for body, status in records.items():
                response = ask(client, body, content_type="text/csv")
                is_refused = strategy == "SINGLE_RECORD" and status == 400
                assert response.status_code == (400 if is_refused else 200)


@pytest.mark.parametrize(("body", "status"), [(b"1,2", 200), (b"1,x", 400)])
def test_an_inference_id_comes_back_with_the_answer(
    client: httpx.Client, body: bytes, status: int
) -> None:
    name = "x-amzn-sagemaker-inference-id"
    headers = {"content-type": "text/csv", name: "order 7"}
    response = client.post("/invocations", content=body, headers=headers)
    assert (response.status_code, response.headers[name]) == (status, "order 7")

    too_long = {**headers, name: 65 * "x"}
    response = client.post("/invocations", content=body, headers=too_long)
    assert response.status_code == status
    assert name not in response.headers
