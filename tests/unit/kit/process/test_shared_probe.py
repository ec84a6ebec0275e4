"""A check that many callers request at once runs once, and again after a moment."""

import asyncio

import pytest

from kit.process.shared_probe import SharedProbe


async def test_many_callers_share_one_check() -> None:
    made = 0
    release = asyncio.Event()

    async def check() -> int:
        nonlocal made
        made += 1
        await release.wait()
        return made

    probe = SharedProbe(check, seconds=3_600)
    callers = [asyncio.create_task(probe.result()) for _ in range(100)]
    await asyncio.sleep(0)
    callers[0].cancel()  # a caller that disconnects does not affect the others
    await asyncio.sleep(0)
    release.set()
    assert await asyncio.gather(*callers[1:]) == [1] * 99
    assert await probe.result() == 1
    assert made == 1


async def test_a_result_is_shared_for_a_moment_only() -> None:
    results = iter((True, False))

    async def check() -> bool:
        return next(results)

    probe = SharedProbe(check, seconds=0)
    assert await probe.result() is True
    await asyncio.sleep(0)  # after which it has expired
    assert await probe.result() is False


async def test_a_failure_reaches_every_caller_and_is_not_cached_forever() -> None:
    outcomes = iter((OSError("away"), None))

    async def check() -> str:
        if (error := next(outcomes)) is not None:
            raise error
        return "well"

    probe = SharedProbe(check, seconds=0)
    with pytest.raises(OSError, match="away"):
        await probe.result()
    await asyncio.sleep(0)
    assert await probe.result() == "well"
