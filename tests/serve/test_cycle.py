"""Answers are those of uvicorn's own cycle, byte for byte, in fewer writes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serve.asgi import Header, Message
from serve.cycle import Cycle

DATE = (b"date", b"Thu, 26 Nov 2026 14:32:43 GMT")
TYPE = (b"content-type", b"text/csv")


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def sent(
    kind: type[RequestResponseCycle],
    messages: list[Message],
    method: str = "POST",
    keep_alive: bool = True,
    disconnected: bool = False,
) -> Wire:
    """What a cycle writes if an application sends these messages."""
    wire = Wire()
    answers: list[Wire] = []

    async def run() -> None:
        log = logging.getLogger(__name__)
        cycle = kind(
            scope=cast("Any", {"type": "http", "method": method, "path": "/"}),
            transport=wire,
            flow=FlowControl(wire),
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=[DATE],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: answers.append(wire),
        )
        cycle.disconnected = disconnected
        for message in messages:
            await cycle.send(cast("Any", message))
        assert cycle.response_complete != disconnected
        assert cycle.response_started != disconnected
        if not disconnected:
            assert await cycle.receive() == {"type": "http.disconnect"}

    asyncio.run(run())
    assert len(answers) == (0 if disconnected else 1)
    return wire


def start(status: int, *headers: Header) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(text: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


def whole(text: bytes, status: int = 200, *headers: Header) -> list[Message]:
    length = (b"content-length", b"%d" % len(text))
    return [start(status, *headers, length, TYPE), body(text)]


IN_PARTS = [start(200, TYPE), body(b"4.0\n", more=True), body(b"3.5")]
CLOSING = whole(b"{}", 400, (b"connection", b"close"))


@pytest.mark.parametrize("messages", [whole(b"4.0"), whole(b""), whole(b"{}", 503)])
def test_an_answer_of_one_part_is_written_at_once(messages: list[Message]) -> None:
    expected = sent(RequestResponseCycle, messages)
    found = sent(Cycle, messages)
    assert found.writes == [b"".join(expected.writes)]
    assert not found.is_closed


@pytest.mark.parametrize(
    ("messages", "options"),
    [
        (IN_PARTS, {}),
        (CLOSING, {}),
        ([start(204), body(b"")], {}),
        (whole(b"4.0"), {"method": "HEAD"}),
        (whole(b"4.0"), {"keep_alive": False}),
        (whole(b"4.0"), {"disconnected": True}),
    ],
)
def test_other_answers_are_left_to_uvicorn(
    messages: list[Message], options: dict[str, Any]
) -> None:
    expected = sent(RequestResponseCycle, messages, **options)
    found = sent(Cycle, messages, **options)
    assert found.writes == expected.writes
    assert found.is_closed == expected.is_closed


def test_an_answer_of_another_length_than_it_says_is_a_bug() -> None:
    messages = [start(200, (b"content-length", b"4"), TYPE), body(b"4.0")]
    with pytest.raises(RuntimeError, match="shorter than Content-Length"):
        sent(Cycle, messages)
