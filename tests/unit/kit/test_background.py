"""Background tasks: an unexpected end is logged at once."""

import asyncio
import logging

import pytest

from kit import background
from kit.background import Loop
from kit.errors import Failure, Kind
from tests.fixtures.patience import PATIENCE


async def fail(error: BaseException) -> None:
    raise error


async def test_an_unexpected_exception_is_logged_at_once_though_it_is_retrieved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = background.start(fail(TypeError("naive and aware")), "refresh eSIMs")
    with pytest.raises(TypeError):
        await task
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message == "background task 'refresh eSIMs' failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is task.exception()


async def test_an_exception_that_no_task_retrieves_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = background.start(fail(OverflowError()), "refresh eSIMs")
    await asyncio.wait({task})
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_known_failure_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    task = background.start(fail(Failure(Kind.UNAVAILABLE, "GONE", "away")), "refresh eSIMs")
    await asyncio.wait({task})
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


async def test_a_cancelled_task_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    task = background.start(asyncio.sleep(60), "refresh eSIMs")
    task.cancel()
    await asyncio.wait({task})
    assert caplog.records == []


@pytest.mark.parametrize(
    "error", [Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away"), RuntimeError("a bug")]
)
async def test_a_failed_round_is_logged_and_retried(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    stop, failed, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        if failed.is_set():
            done.set()
            return
        failed.set()
        raise error

    async with background.running(Loop("follow eSIMs", work, stop, every=0.01), grace=PATIENCE):
        await done.wait()
        stop.set()
    assert "follow eSIMs" in caplog.text
    assert str(error) in caplog.text


async def test_waiting_for_a_service_that_starts_at_the_same_time_is_not_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, logged = asyncio.Event(), []

    async def work() -> None:
        logged.append(bool(caplog.records))
        if len(logged) == 3:  # the other service is still unavailable
            monkeypatch.setattr(background, "STARTING", -1.0)
            stop.set()
        raise Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")

    async with background.running(Loop("read changes", work, stop, every=0.01), grace=PATIENCE):
        await stop.wait()
    assert (logged, caplog.records) == ([False, False, False], [])
    stop.clear()
    logged.clear()
    async with background.running(Loop("read changes", work, stop, every=0.01), grace=PATIENCE):
        await stop.wait()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_busy_rounds_run_without_a_pause_and_beside_other_loops() -> None:
    stop, left, other_ran, done = asyncio.Event(), [3], asyncio.Event(), asyncio.Event()

    async def busy() -> int:
        await other_ran.wait()
        left[0] -= 1
        if not left[0]:
            done.set()
        return left[0]

    async def other() -> None:
        other_ran.set()

    loops = [Loop("busy", busy, stop, every=None), Loop("other", other, stop, every=None)]
    async with background.running(*loops, grace=PATIENCE):
        await done.wait()
        stop.set()
    assert left == [0]


async def test_a_busy_loop_rests_between_rounds_until_it_has_to_stop() -> None:
    stop, begun = asyncio.Event(), asyncio.Queue[None]()

    async def work() -> bool:
        begun.put_nowait(None)
        await asyncio.sleep(0)
        return True

    async with asyncio.timeout(PATIENCE):
        loop = Loop("record old rows", work, stop, every=None, rest=86_400)
        async with background.running(loop, grace=PATIENCE):
            await begun.get()
            for _ in range(10):  # turns of the event loop, in which another round would begin
                await asyncio.sleep(0)
            stop.set()
    assert begun.empty()


async def test_wake_starts_a_round_even_during_one() -> None:
    stop, begun, let_go, rounds = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        rounds.append(1)
        begun.set()
        await let_go.wait()

    loop = Loop("deliver", work, stop, every=None)
    async with background.running(loop, grace=PATIENCE):
        await begun.wait()
        loop.wake()  # during the first round
        begun.clear()
        let_go.set()
        await begun.wait()
        begun.clear()
        await asyncio.sleep(0)  # the second round has ended
        loop.wake()
        await begun.wait()
        stop.set()
    assert len(rounds) == 3


async def test_stopping_waits_for_a_round_and_cancels_one_that_takes_too_long() -> None:
    stop, begun, let_go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    async def quick() -> None:
        await let_go.wait()
        ended.append("quick")

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")

    async with background.running(Loop("quick", quick, stop, every=0), grace=PATIENCE):
        await asyncio.sleep(0)
        stop.set()
        let_go.set()
    stop.clear()
    async with background.running(Loop("slow", slow, stop, every=0), grace=0):
        await begun.wait()
        stop.set()
    assert ended == ["quick", "slow"]


async def test_a_loop_survives_the_cancellation_of_what_a_round_waits_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, done = asyncio.Event(), asyncio.Event()
    shared = asyncio.get_running_loop().create_future()
    shared.cancel()

    async def work() -> None:
        if "CancelledError" in caplog.text:
            done.set()
            return
        await shared

    loop = Loop("follow eSIMs", work, stop, every=0.01)
    async with background.running(loop, grace=PATIENCE), asyncio.timeout(PATIENCE):
        await done.wait()
        stop.set()
    assert "follow eSIMs: failed, will be tried again" in caplog.text


async def test_a_cancelled_loop_ends() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.sleep(PATIENCE)

    running = background.start(
        Loop("follow eSIMs", work, asyncio.Event(), every=None).run(), "follow eSIMs"
    )
    await began.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
