from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve.bodies import Budget, ClientDisconnectedError, read_body
from serve.errors import HttpError


async def never() -> dict[str, Any]:
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


def test_a_body_that_does_not_come_is_408() -> None:
    with pytest.raises(HttpError, match=r"didn't come within 0 s") as raised:
        asyncio.run(read_body(never, most_mib=1, seconds=0.01))
    assert raised.value.status == 408


def test_a_client_that_is_gone_is_not_answered() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnectedError):
        asyncio.run(read_body(gone, most_mib=1))


def test_who_would_hold_too_much_waits_in_line() -> None:
    async def scenario() -> list[str]:
        budget, seen = Budget(10), []

        async def work(name: str, count: int) -> None:
            async with budget.hold(count):
                seen.append(name)
                await asyncio.sleep(0)

        async with budget.hold(6):
            tasks = [
                asyncio.create_task(work(*each))
                for each in [("big", 8), ("small", 1), ("all", 99), ("gone", 1)]
            ]
            await asyncio.sleep(0)
            assert not seen  # the small one doesn't overtake the big one
            tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with budget.hold(10):  # all was given back
            return seen

    assert asyncio.run(scenario()) == ["big", "small", "all"]


def test_a_turn_that_comes_too_late_is_given_back() -> None:
    async def scenario() -> None:
        budget = Budget(1)

        async def work() -> None:
            async with budget.hold(1):
                pass

        async with budget.hold(1):
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        task.cancel()  # in the same moment in which its turn has come
        await asyncio.gather(task, return_exceptions=True)
        async with budget.hold(1):
            pass

    asyncio.run(scenario())
