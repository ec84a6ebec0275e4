"""Admission of gRPC calls, the slots for calls without a session, and the limit on unread responses."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kit.errors import Failure
from kit.rpc.admission import LARGE, UNREAD, Calls, Slot, Slots
from kit.rpc.unread_responses import OVERHEAD, SMALL, STALLED, UnreadResponses
from tests.fixtures.stepped_clock import ManualClock


async def started(work: Callable[[], Awaitable[object]]) -> "asyncio.Task[object]":
    """Start a task and let it run until it first waits."""

    async def run() -> object:
        return await work()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    return task


class Callers:
    """Calls that wait until the test ends them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def call(self, connection: str, *, evictable: bool = True) -> "asyncio.Task[object]":
        async def wait() -> None:
            call = self._calls.enter(connection)
            call.evictable = evictable
            try:
                await asyncio.Event().wait()
            finally:
                self._calls.leave(call)

        return await started(wait)


async def test_a_connection_with_many_calls_yields_one_to_another_connection() -> None:
    calls = Calls(3)
    callers = Callers(calls)
    many = [await callers.call("heavy") for _ in range(3)]
    normal = await callers.call("normal")
    await asyncio.sleep(0)
    assert [task.cancelled() for task in many] == [False, False, True]
    assert not normal.done()
    assert calls.count == 3


async def test_a_connection_with_many_calls_evicts_no_call_of_others() -> None:
    callers = Callers(Calls(3))
    normal = await callers.call("normal")
    _first = await callers.call("heavy")
    _second = await callers.call("heavy")
    refused = await callers.call("heavy")
    with pytest.raises(Failure) as caught:
        await refused
    assert caught.value.reason == "TOO_MANY_CALLS"
    assert caught.value.retry_after == 1.0
    assert not normal.done()


async def test_many_connections_of_one_host_do_not_crowd_out_another_host() -> None:
    calls = Calls(6)
    callers = Callers(calls)
    many = [await callers.call(f"ipv4:10.0.0.1:{port}") for port in range(6)]
    normal = [await callers.call("ipv4:10.0.0.2:1") for _ in range(3)]
    await asyncio.sleep(0)
    assert [task.done() for task in normal] == [False] * 3
    assert sum(task.cancelled() for task in many) == 3
    fourth = await callers.call("ipv4:10.0.0.2:1")
    assert isinstance(fourth.exception(), Failure)


async def test_a_connection_that_reads_no_responses_is_closed_for_a_call_of_another_host() -> None:
    clock, closed = ManualClock(0.0), list[str]()

    def close(connection: str) -> bool:
        closed.append(connection)
        return True

    calls = Calls(2, clock, close)

    async def answered() -> None:
        calls.done(calls.enter("ipv4:10.0.0.1:1"))

    for _ in range(2):
        await (await started(answered))
    callers = Callers(calls)
    assert isinstance((await callers.call("ipv4:10.0.0.2:1")).exception(), Failure)
    clock.now = UNREAD
    assert not (await callers.call("ipv4:10.0.0.2:1")).done()
    assert (closed, calls.count) == (["ipv4:10.0.0.1:1"], 1)


async def test_a_running_call_is_not_evicted() -> None:
    callers = Callers(Calls(2))
    working = [await callers.call("heavy", evictable=False) for _ in range(2)]
    refused = await callers.call("normal")
    assert isinstance(refused.exception(), Failure)
    assert not any(task.done() for task in working)


async def test_among_connections_with_one_call_each_only_a_call_that_waited_a_second_is_evicted() -> (
    None
):
    clock = ManualClock(0.0)
    callers = Callers(Calls(2, clock))
    waiting = [await callers.call(name) for name in ("a", "b")]
    assert isinstance((await callers.call("c")).exception(), Failure)
    clock.now = 1.0
    assert not (await callers.call("c")).done()
    await asyncio.sleep(0)
    assert [task.cancelled() for task in waiting].count(True) == 1


async def test_large_responses_are_produced_one_at_a_time_with_a_pause_in_between() -> None:
    clock = ManualClock(0.0)
    slots = Slots(8, clock)
    first = await slots.acquire("heavy")  # a connection without a history
    second = await started(lambda: slots.acquire("heavy"))
    clock.now = 0.02
    slots.release(first, LARGE + 1)
    await asyncio.sleep(0)
    assert not second.done()  # the slot stays free for as long as the first call took
    slot = await second
    assert isinstance(slot, Slot)
    assert slot.large


async def test_small_responses_do_not_wait_for_large_ones() -> None:
    slots = Slots(8)
    slots.release(await slots.acquire("normal"), 100)
    await slots.acquire("heavy")
    waiting = await started(lambda: slots.acquire("heavy"))
    for _ in range(7):
        assert not (await slots.acquire("normal")).large
    assert not waiting.done()


async def test_the_connection_that_received_the_fewest_bytes_goes_first() -> None:
    slots = Slots(1)
    for _ in range(10):
        slots.release(await slots.acquire("heavy"), 10_000)
    slots.release(await slots.acquire("normal"), 100)
    at_work = await slots.acquire("heavy")
    order = list[str]()

    async def work(connection: str) -> None:
        slot = await slots.acquire(connection)
        order.append(connection)
        slots.release(slot, 100)

    waiting = [await started(lambda: work("heavy")) for _ in range(3)]
    waiting.append(await started(lambda: work("normal")))
    slots.release(at_work, 10_000)
    await asyncio.gather(*waiting)
    assert order == ["normal", "heavy", "heavy", "heavy"]


async def test_a_slot_passes_from_a_cancelled_call_to_the_next() -> None:
    slots = Slots(1)
    at_work = await slots.acquire("a")
    waiting = [await started(lambda: slots.acquire("a")) for _ in range(3)]
    waiting[0].cancel()
    slots.release(at_work, 0)  # before the cancelled one resumes
    waiting[1].cancel()  # it has the slot already
    assert await waiting[2]


LIMIT = 8 * SMALL


class Connections:
    """Records the connections that were closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def close(self, connection: str) -> bool:
        self.closed.append(connection)
        return True


async def test_a_connection_can_not_exceed_its_share_of_unread_responses() -> None:
    unread = UnreadResponses(LIMIT, 10, Connections().close)
    size = SMALL - OVERHEAD
    first = unread.add("heavy", size)
    unread.check("heavy")
    unread.add("heavy", size)
    for refused in (lambda: unread.check("heavy"), lambda: unread.add("heavy", size)):
        with pytest.raises(Failure) as caught:
            refused()
        assert caught.value.reason == "ANSWERS_NOT_READ"
    unread.add("normal", size)
    unread.remove(first)
    unread.add("heavy", size)
    assert unread.total == 3 * SMALL
    unread.close()


async def test_the_only_unread_response_may_exceed_the_limit() -> None:
    unread = UnreadResponses(LIMIT, 10, Connections().close)
    unread.add("a", 2 * LIMIT)
    unread.close()


async def test_without_room_the_connection_that_does_not_read_is_closed() -> None:
    clock, connections = ManualClock(0.0), Connections()
    unread = UnreadResponses(LIMIT, 10, connections.close, clock=clock)
    for number in range(4):
        clock.now = number / 10
        unread.add(f"heavy-{number}", 2 * SMALL - OVERHEAD)
    with pytest.raises(Failure) as caught:
        unread.add("normal", 2 * SMALL)
    assert caught.value.reason == "TOO_MANY_UNREAD_ANSWERS"
    unread.add("normal", 100)  # small responses may use the reserve
    assert connections.closed == []
    clock.now = STALLED
    unread.add("normal", SMALL)
    assert connections.closed == ["heavy-0"]
    assert unread.total <= LIMIT
    unread.close()


async def test_a_connection_that_does_not_read_a_response_in_time_is_closed() -> None:
    connections, closed = Connections(), asyncio.Event()

    def close(connection: str) -> bool:
        closed.set()
        return connections.close(connection)

    unread = UnreadResponses(LIMIT, 0.01, close)
    unread.remove(unread.add("normal", 100))
    unread.add("heavy", 100)
    unread.add("heavy", 100)
    await closed.wait()
    assert connections.closed == ["heavy"]
    assert unread.total == 0
    unread.close()
