"""Long lists leave the loop to others between their slices."""

import asyncio
import time
from collections.abc import AsyncIterable
from typing import cast

from gateway.slices import SLICE, in_slices


def slowly(number: int) -> int:
    time.sleep(SLICE * 1.2)
    return number * 2


async def test_others_get_their_turn_after_each_slice() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(others())
    made = cast(AsyncIterable[int], in_slices(range(10), slowly))
    assert [value async for value in made] == list(range(0, 20, 2))
    waiting.cancel()
    assert turns >= 9
