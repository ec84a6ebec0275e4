"""Long lists yield to the event loop between slices."""

import asyncio
import time
from collections.abc import AsyncIterable
from typing import Any, Self, cast

from gateway.execution.time_slices import SLICE, in_slices
from gateway.execution.views import View


class Slow(View):
    """Takes longer to format than a slice lasts."""

    @classmethod
    def of(cls, proto: Any) -> Self:
        time.sleep(SLICE * 1.2)
        return super().of(proto)


async def test_other_tasks_run_after_each_slice() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(others())
    shown = cast(AsyncIterable[Slow], in_slices(Slow, range(10)))
    assert [view.proto async for view in shown] == list(range(10))
    waiting.cancel()
    assert turns >= 9
