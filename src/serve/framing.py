"""Where a request ends, and what its head may look like. There are no sockets here.

What arrives is cut before it is parsed, so that the parser never sees more than one
request, however many are sent at once. A head ends with an empty line. A body of known
length is counted. A body in chunks is cut behind every empty line, because it ends with
one.

The parser of HTTP, which is llhttp, is strict about characters, lengths and chunks.
What it lets pass is refused here: `check_head` and `check_headers`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from serve.asgi import Header, Headers, by_name
from serve.errors import HttpError
from serve.limits import ClientLimits

_EMPTY_LINE = b"\r\n\r\n"
_END_OF_LINE = b"\r\n"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb') ([!"$-~]+) HTTP/([0-9]\.[0-9])\r\n')
_WHOLE_URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
_START_OF_LINE = re.compile(_TOKEN + rb"(?: (?:[!-~]+(?: [!-~]*\r?)?)?)?")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# A line of it that is well-formed; the parser refuses any other.
_UPGRADE_LINE = re.compile(
    rb"\r\nupgrade:[\t -~\x80-\xff]*(?=\r\n[^ \t])", re.IGNORECASE
)
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z.:]+\])(?::[0-9]*)?")


class Unread:
    """What has arrived and was not parsed yet.

    Attributes:
        count: how many bytes that are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._bytes = b""
        self._start = 0

    def add(self, data: bytes) -> None:
        """Something has arrived."""
        self._bytes = self.peek() + data if self.count else data
        self._start = 0
        self.count = len(self._bytes)

    def peek(self) -> bytes:
        """All of it; it stays."""
        return self._bytes[self._start :]

    def clear(self) -> None:
        """Forget all of it."""
        self.count = 0
        self._bytes = b""
        self._start = 0

    def take_head(self) -> bytes:
        """A head with the empty line at its end; nothing if it isn't complete.

        An empty line before it, which some clients send behind a body, is left out.
        """
        if self._bytes.startswith(_END_OF_LINE, self._start):
            end = self._bytes.find(_EMPTY_LINE, self._start + len(_END_OF_LINE))
            skipped = len(_END_OF_LINE)
        else:
            end = self._bytes.find(_EMPTY_LINE, self._start)
            skipped = 0
        if end < 0:
            return b""
        return self._take(end + len(_EMPTY_LINE))[skipped:]

    def take(self, most: int) -> bytes:
        """So many bytes, or what there is."""
        return self._take(min(self._start + most, len(self._bytes)))

    def take_chunks(self) -> bytes:
        """A piece of a body in chunks, up to the next empty line if there is one.

        What may be the beginning of an empty line stays until more has arrived.
        """
        end = self._bytes.find(_EMPTY_LINE, self._start)
        if end >= 0:
            return self._take(end + len(_EMPTY_LINE))
        end = len(self._bytes)
        for length in (3, 2, 1):
            if self._bytes.endswith(_EMPTY_LINE[:length], self._start):
                return self._take(end - length)
        return self._take(end)

    def _take(self, end: int) -> bytes:
        taken = self._bytes[self._start : end]
        self._start = end
        self.count -= len(taken)
        if not self.count:
            self._bytes = b""
        return taken


class RequestLine(NamedTuple):
    """The first line of a request.

    Attributes:
        method: such as ``POST``.
        target: such as ``/ping?a=b``.
        version: ``1.1`` or ``1.0``.
    """

    method: str
    target: bytes
    version: str


def check_head(head: bytes, limits: ClientLimits) -> RequestLine:
    """Check the size of a head and its first line.

    Raises:
        HttpError: 400, 414, 431 or 505.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise _not_a_request_line()
    method, target, version = line.groups()
    if version != b"1.1" and version != b"1.0":
        shown = version.decode()
        raise HttpError(505, f"HTTP/{shown} isn't supported, send HTTP/1.1")
    if len(target) > limits.target_bytes:
        raise _target_too_long(limits)
    if len(head) > limits.head_bytes:
        raise _head_too_long(limits)
    if method == b"CONNECT":
        raise HttpError(400, "CONNECT isn't supported, this is no proxy")
    return RequestLine(method.decode(), target, version.decode())


def without_offer(head: bytes) -> bytes:
    """A head without its offer of another protocol (RFC 9110, section 7.8).

    Such an offer is ignored, but the parser would stop behind it.
    """
    if b"\r\nupgrade:" in head.lower():
        return _UPGRADE_LINE.sub(b"", head)
    return head


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The path and the query of a target, which may be a whole URL.

    Raises:
        HttpError: 400 if it is neither a path nor a URL.

    Example:
        >>> split_target(b"/models?next_page_token=x")
        (b'/models', b'next_page_token=x')
        >>> split_target(b"http://localhost")
        (b'/', b'')
    """
    path, _, query = target.partition(b"?")
    if path.startswith(b"/") or path == b"*":
        return path, query
    url = _WHOLE_URL.match(path)
    if url is None:
        raise HttpError(400, "the target is neither a path, such as /ping, nor a URL")
    return path[url.end() :] or b"/", query


def check_part_of_head(part: bytes, limits: ClientLimits) -> None:
    """Check what has arrived of a head that isn't complete.

    Raises:
        HttpError: 400, 414, 431 or 505.
    """
    part = part.removeprefix(_END_OF_LINE)
    if part in (b"", b"\r"):
        return
    is_line_complete = _END_OF_LINE in part
    if is_line_complete:
        check_head(part, limits)
    elif not _START_OF_LINE.fullmatch(part):
        raise _not_a_request_line()
    elif len(part) > limits.target_bytes:
        raise _target_too_long(limits)
    if _BARE_LINE_FEED.search(part):
        raise HttpError(400, "a line of the headers ends in LF alone, send CR LF")


class BodyHeaders(NamedTuple):
    """What the headers say of the body.

    Attributes:
        length: in bytes, None if it comes in chunks.
        expects_100: whether the client waits for "100 Continue" before it sends it.
        by_name: all headers by name.
    """

    length: int | None
    expects_100: bool
    by_name: Headers


def check_headers(headers: Sequence[Header], is_http_1_0: bool) -> BodyHeaders:
    """Check the headers that say to whom a request goes and how long its body is.

    Raises:
        HttpError: 400, 417 or 501.
    """
    given = by_name(headers)
    host = given.get(b"host")
    if len(given) != len(headers) and _is_twice(headers, b"host"):
        raise HttpError(400, "there are two Host headers, send one")
    if host is None:
        if not is_http_1_0:
            raise HttpError(400, "the Host header is missing")
    elif not _HOST.fullmatch(host):
        raise HttpError(400, "the Host header isn't a host, such as example.com:8080")

    expected = given.get(b"expect")
    if expected is not None and expected.lower() != b"100-continue":
        raise HttpError(417, "the only Expect is 100-continue")
    expects_100 = expected is not None and not is_http_1_0

    coding = given.get(b"transfer-encoding")
    if coding is None:
        length = int(given.get(b"content-length", 0))
        return BodyHeaders(length, expects_100, given)
    if is_http_1_0:
        raise HttpError(400, "HTTP/1.0 has no Transfer-Encoding, send Content-Length")
    if coding.lower() != b"chunked":
        raise HttpError(501, "the only Transfer-Encoding is chunked")
    return BodyHeaders(None, expects_100, given)


def _is_twice(headers: Sequence[Header], wanted: bytes) -> bool:
    return sum(name == wanted for name, _ in headers) > 1


def _not_a_request_line() -> HttpError:
    return HttpError(
        400, "the first line isn't that of a request, such as GET /ping HTTP/1.1"
    )


def _target_too_long(limits: ClientLimits) -> HttpError:
    return HttpError(414, f"the target is longer than {limits.target_bytes} bytes")


def _head_too_long(limits: ClientLimits) -> HttpError:
    return HttpError(431, f"the headers are longer than {limits.head_bytes} bytes")
