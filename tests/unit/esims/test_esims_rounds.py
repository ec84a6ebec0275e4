"""Background work goes on after a failure, and at once when it is woken."""

import asyncio

import pytest

from kit.errors import Failure, Kind
from services.esims.rounds import Rounds


@pytest.mark.parametrize(
    "error", [Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away"), RuntimeError("a bug")]
)
async def test_a_failure_does_not_end_the_work(error: Exception) -> None:
    failed, done = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        if failed.is_set():
            done.set()
            return 0
        failed.set()
        raise error

    rounds = Rounds(work)
    running = asyncio.create_task(rounds.run())
    await failed.wait()
    rounds.wake()
    await done.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_busy_work_is_repeated_without_a_pause_and_beside_other_work() -> None:
    left, other_ran, done = [3], asyncio.Event(), asyncio.Event()

    async def busy() -> int:
        await other_ran.wait()
        left[0] -= 1
        if not left[0]:
            done.set()
        return left[0]

    async def other() -> int:
        other_ran.set()
        return 0

    running = asyncio.create_task(Rounds(busy, other).run())
    await done.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
