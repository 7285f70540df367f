"""Who may ask the playground's server, and what it answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from launcher.play.server import PlayServer, Request
from launcher.ports import LOOPBACK

JSON = {"Content-Type": "application/json"}
NOBODY = {"rated": [], "count": 2}


@pytest.fixture
def client(playground: PlayServer) -> Iterator[httpx.Client]:
    url = playground.url
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


def test_it_listens_on_loopback_alone(playground: PlayServer) -> None:
    assert playground.server_address[0] == LOOPBACK


@pytest.mark.parametrize("path", ["/", "/script.js", "/style.css"])
def test_the_page_may_load_and_ask_nothing_else(
    client: httpx.Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy


def test_questions_are_answered(client: httpx.Client, playground: PlayServer) -> None:
    start = client.get("/api/start").json()
    movie = start["movie"]
    assert client.get("/api/movies", params={"text": movie["title"]}).json()
    assert client.get("/api/user", params={"id": "1"}).json()["user_id"] == 1
    assert len(client.post("/api/recommend", json=NOBODY).json()["movies"]) == 2
    assert len(client.post("/api/onboarding", json=NOBODY).json()["movies"]) == 2
    asked = {"rated": [], "movie_id": movie["movie_id"]}
    assert client.post("/api/predict", json=asked).json()["title"] == movie["title"]

    same_page = {"Origin": playground.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.get("/api/start", headers=same_page).status_code == 200
    by_name = {"Host": f"localhost:{playground.server_port}"}
    assert client.get("/", headers=by_name).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", ""]
)
def test_another_host_gets_nothing(
    client: httpx.Client, playground: PlayServer, host: str
) -> None:
    named = host.format(port=playground.server_port)
    answer = client.get("/api/start", headers={"Host": named})
    assert answer.status_code == 421
    assert "genres" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_gets_nothing(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    for answer in (
        client.get("/api/start", headers=headers),
        client.post("/api/recommend", json=NOBODY, headers=headers),
    ):
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("/api/recommend", json.dumps(NOBODY), {"Content-Type": "text/plain"}, 415),
        ("/api/recommend", "{", JSON, 400),
        ("/api/recommend", "[]", JSON, 400),
        ("/api/recommend", '{"rated": []}', JSON, 400),
        ("/api/recommend", '{"rated": [], "count": 100000}', JSON, 502),
        ("/api/other", "{}", JSON, 404),
        ("/api/recommend", "x" * 70_000, JSON, 413),
    ],
)
def test_what_is_no_question_is_refused(
    client: httpx.Client, path: str, content: str, headers: dict[str, Any], status: int
) -> None:
    answer = client.post(path, content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/user?id=-1", 400),
        ("/api/user?id=" + "9" * 30, 400),
        ("/api/user", 400),
        ("/api/other", 404),
        ("/../server.py", 404),
        ("/page/index.html", 404),
    ],
)
def test_what_is_not_there_is_said(
    client: httpx.Client, target: str, status: int
) -> None:
    assert client.get(target).status_code == status


@pytest.mark.parametrize("target", ["http://[::1/api", "//", "", "*", "\ud800"])
def test_a_target_that_is_no_address_is_not_there(
    playground: PlayServer, target: str
) -> None:
    headers = {"host": f"localhost:{playground.server_port}"}
    response = playground.application.respond(Request("GET", target, headers))
    assert response.status == (404 if target else 200)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /api/recommend HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
        b"POST /api/recommend HTTP/1.1\r\nContent-Length: -1\r\n",
    ],
)
def test_a_body_of_unknown_length_ends_the_connection(
    playground: PlayServer, head: bytes
) -> None:
    with socket.create_connection((LOOPBACK, playground.server_port), 30) as sent:
        sent.sendall(head + b"Host: localhost\r\n\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: sent.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.count(b"HTTP/1.1") == 1
