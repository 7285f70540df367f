from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import HttpError
from serve.framing import (
    Unread,
    check_head,
    check_headers,
    check_part_of_head,
    split_target,
    without_offer,
)
from serve.limits import ClientLimits

LIMITS = ClientLimits()
HEAD = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKS = b"3;a=b\r\n1,2\r\n4\r\n\r\n\r\n\r\n0\r\nx: y\r\n\r\n"


def cut(parts: list[bytes]) -> list[bytes]:
    """The head, the chunks and the next head, if the bytes come in these parts."""
    unread = Unread()
    heads: list[bytes] = []
    chunks = b""
    for part in parts:
        unread.add(part)
        while unread.count:
            is_body = heads and chunks != CHUNKS
            piece = unread.take_chunks() if is_body else unread.take_head()
            if not piece:
                break
            if is_body:
                chunks += piece
            else:
                heads.append(piece)
    assert not unread.count
    return [*heads, chunks]


@given(st.lists(st.integers(0, len(HEAD + CHUNKS + HEAD)), max_size=20))
def test_no_piece_goes_beyond_the_end_of_a_request(cuts: list[int]) -> None:
    everything = HEAD + CHUNKS + HEAD
    places = [0, *sorted(cuts), len(everything)]
    parts = [everything[start:end] for start, end in itertools.pairwise(places)]
    assert cut(parts) == [HEAD, HEAD, CHUNKS]


def test_a_body_of_known_length_is_counted() -> None:
    unread = Unread()
    unread.add(b"1,2" + HEAD)
    assert unread.take(3) == b"1,2"
    unread.add(b"more")
    assert unread.take_head() == HEAD
    assert unread.take(100) == b"more"
    assert unread.count == 0


def test_one_empty_line_may_come_before_a_request() -> None:
    unread = Unread()
    unread.add(b"\r\n" + HEAD + b"\r\n\r\n" + HEAD)
    assert unread.take_head() == HEAD
    with pytest.raises(HttpError, match="first line"):
        check_head(unread.take_head(), LIMITS)


@pytest.mark.parametrize("part", [HEAD[:end] for end in range(len(HEAD))])
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_any_part_of_a_good_head_is_good(before: bytes, part: bytes) -> None:
    check_part_of_head(before + part, LIMITS)


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"{", 400),
        (b"\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET  /", 400),
        (b"GET /\n", 400),
        (b"GET /ping\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nhost: x\n", 400),
        (b"GET /ping HTTP/2.0\r\n", 505),
        (b"GET /" + b"x" * LIMITS.target_bytes, 414),
        (b"GET / HTTP/1.1\r\n" + b"x" * LIMITS.head_bytes, 431),
    ],
)
def test_what_no_head_begins_with_is_refused_at_once(part: bytes, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        check_part_of_head(part, LIMITS)
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /ping", 400),
        (b"GET /ping HTTP/1.1 ", 400),
        (b"GET  /ping HTTP/1.1", 400),
        (b"GET\t/ping HTTP/1.1", 400),
        (b"GET /pi ng HTTP/1.1", 400),
        (b"GET /ping#part HTTP/1.1", 400),
        (b"GET /pi\xffng HTTP/1.1", 400),
        (b"GET /pi\0ng HTTP/1.1", 400),
        (b"GET /ping http/1.1", 400),
        (b"GET /ping ICE/1.0", 400),
        (b"CONNECT x:1 HTTP/1.1", 400),
        (b"GET /ping HTTP/0.9", 505),
        (b"GET /ping HTTP/1.2", 505),
        (b"GET /ping HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET /" + b"x" * LIMITS.target_bytes + b" HTTP/1.1", 414),
    ],
)
def test_a_first_line_that_no_client_should_send(line: bytes, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        check_head(line + b"\r\nhost: x\r\n\r\n", LIMITS)
    assert raised.value.status == status


def test_an_offer_of_another_protocol_is_left_out() -> None:
    head = b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nhost: x\r\nUPGRADE: y\r\n\r\n"
    assert without_offer(head) == b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    assert without_offer(HEAD) == HEAD


@pytest.mark.parametrize(
    "line", [b"x\ntransfer-encoding: chunked", b"x\0", b"\x7f", b"x\r\n y"]
)
def test_an_offer_hides_nothing_from_the_parser(line: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nupgrade: " + line + b"\r\nhost: x\r\n\r\n"
    assert without_offer(head) == head


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", (b"/", b"")),
        (b"/ping?", (b"/ping", b"")),
        (b"/ping?a=b?c", (b"/ping", b"a=b?c")),
        (b"*", (b"*", b"")),
        (b"http://x:8080/ping?a", (b"/ping", b"a")),
        (b"HTTP://x", (b"/", b"")),
        (b"http://x?a=/b", (b"/", b"a=/b")),
        (b"//ping", (b"//ping", b"")),
    ],
)
def test_a_target_is_a_path_or_a_url(
    target: bytes, expected: tuple[bytes, bytes]
) -> None:
    assert split_target(target) == expected


@pytest.mark.parametrize("target", [b"ping", b"?a", b"x:80", b"*x", b"://x/"])
def test_other_targets_are_refused(target: bytes) -> None:
    with pytest.raises(HttpError, match="neither a path"):
        split_target(target)


HOST = (b"host", b"x")


@pytest.mark.parametrize(
    "host",
    ["", "x", "localhost:8080", "10.0.0.1:80", "[::1]:8080", "a-b.example.com", "x:"],
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert check_headers([(b"host", host.encode())], False).length == 0


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "u@x", "x:80:80", "x:http", "[::1", "a\\b", "é", "x#"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(HttpError, match="isn't a host") as raised:
        check_headers([(b"host", host.encode())], False)
    assert raised.value.status == 400


def test_there_is_one_host() -> None:
    with pytest.raises(HttpError, match="missing"):
        check_headers([], False)
    with pytest.raises(HttpError, match="two Host"):
        check_headers([HOST, HOST], False)
    assert check_headers([], True).length == 0  # HTTP/1.0 has none


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        (["gzip, chunked"], 501),
        (["gzip", "chunked"], 501),
        (["chunked", "chunked"], 501),
        (["identity"], 501),
        ([""], 501),
    ],
)
def test_a_coding_that_we_do_not_undo_is_refused(
    codings: list[str], status: int
) -> None:
    headers = [(b"transfer-encoding", coding.encode()) for coding in codings]
    with pytest.raises(HttpError) as raised:
        check_headers([HOST, *headers], False)
    assert raised.value.status == status


def test_the_length_of_a_body_is_known_or_it_is_in_chunks() -> None:
    assert check_headers([HOST, (b"content-length", b"7")], False).length == 7
    chunked = (b"transfer-encoding", b"Chunked")
    assert check_headers([HOST, chunked], False).length is None
    with pytest.raises(HttpError) as raised:
        check_headers([HOST, chunked], True)
    assert raised.value.status == 400


def test_only_100_continue_may_be_expected() -> None:
    expect = (b"expect", b"100-Continue")
    assert check_headers([HOST, expect], False).expects_100
    assert not check_headers([HOST, expect], True).expects_100
    with pytest.raises(HttpError) as raised:
        check_headers([HOST, (b"expect", b"200-ok")], False)
    assert raised.value.status == 417
