from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve.asgi import Receive
from serve.bodies import (
    ClientDisconnectedError,
    WaitingLine,
    declared_length,
    read_body,
)
from serve.errors import HttpError
from serve.resources import MIB


def test_the_length_of_a_body_is_known_or_the_limit() -> None:
    assert declared_length({}, max_mib=1) == 0
    assert declared_length({b"content-length": b"7"}, max_mib=1) == 7
    assert declared_length({b"transfer-encoding": b"chunked"}, max_mib=1) == MIB
    with pytest.raises(HttpError) as raised:
        declared_length({b"content-length": b"%d" % (MIB + 1)}, max_mib=1)
    assert raised.value.status == 413


def test_a_body_is_read_to_its_end_or_to_the_limit() -> None:
    def sent(*parts: bytes) -> Receive:
        left = list(parts)

        async def receive() -> dict[str, Any]:
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left)}

        return receive

    assert asyncio.run(read_body(sent(b"1,", b"2"), max_mib=1)) == b"1,2"
    with pytest.raises(HttpError) as raised:
        asyncio.run(read_body(sent(b"x" * MIB, b"x", b"never read"), max_mib=1))
    assert raised.value.status == 413


def test_a_client_that_is_gone_is_not_answered() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnectedError):
        asyncio.run(read_body(gone, max_mib=1))


def test_requests_that_would_hold_too_much_wait_in_line() -> None:
    async def scenario() -> list[str]:
        line = WaitingLine(10)
        seen: list[str] = []

        async def hold(name: str, count: int) -> None:
            async with line.hold(count):
                seen.append(name)
                await asyncio.sleep(0)

        async with line.hold(6):
            big = asyncio.create_task(hold("big", 8))
            small = asyncio.create_task(hold("small", 1))
            everything = asyncio.create_task(hold("everything", 99))
            gone = asyncio.create_task(hold("gone", 1))
            await asyncio.sleep(0)
            assert not seen  # the small one doesn't overtake the big one
            gone.cancel()
        await asyncio.gather(big, small, everything, gone, return_exceptions=True)
        async with line.hold(10):  # all was given back
            return seen

    assert asyncio.run(scenario()) == ["big", "small", "everything"]


def test_bytes_are_given_back_if_the_client_goes_when_its_turn_comes() -> None:
    async def scenario() -> None:
        line = WaitingLine(1)

        async def hold() -> None:
            async with line.hold(1):
                pass

        async with line.hold(1):
            task = asyncio.create_task(hold())
            await asyncio.sleep(0)
        task.cancel()  # in the moment in which its turn has come
        await asyncio.gather(task, return_exceptions=True)
        async with line.hold(1):
            pass

    asyncio.run(scenario())
