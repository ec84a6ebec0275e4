"""Admission of calls: which are accepted, in which order, and how many bytes may wait to be read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kit.errors import Failure
from kit.rpc.admission import LARGE, UNREAD, Calls, Turn, Turns
from kit.rpc.unread_responses import OVERHEAD, SMALL, STALLED, UnreadResponses
from tests.unit.kit.stepped_clock import ManualClock


async def started(work: Callable[[], Awaitable[object]]) -> "asyncio.Task[object]":
    """Start a task and let it run as far as it can."""

    async def run() -> object:
        return await work()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    return task


class Callers:
    """Calls that wait until the test ends them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def call(self, connection: str, *, waits: bool = True) -> "asyncio.Task[object]":
        async def wait() -> None:
            call = self._calls.enter(connection)
            call.waits = waits
            try:
                await asyncio.Event().wait()
            finally:
                self._calls.leave(call)

        return await started(wait)


async def test_a_connection_with_many_calls_loses_one_to_another_connection() -> None:
    calls = Calls(3)
    callers = Callers(calls)
    many = [await callers.call("greedy") for _ in range(3)]
    polite = await callers.call("polite")
    await asyncio.sleep(0)
    assert [task.cancelled() for task in many] == [False, False, True]
    assert not polite.done()
    assert calls.count == 3


async def test_a_connection_with_many_calls_takes_no_place_from_others() -> None:
    callers = Callers(Calls(3))
    polite = await callers.call("polite")
    _first = await callers.call("greedy")
    _second = await callers.call("greedy")
    refused = await callers.call("greedy")
    with pytest.raises(Failure) as caught:
        await refused
    assert caught.value.reason == "TOO_MANY_CALLS"
    assert caught.value.retry_after == 1.0
    assert not polite.done()


async def test_many_connections_of_one_host_take_no_place_from_another_host() -> None:
    calls = Calls(6)
    callers = Callers(calls)
    many = [await callers.call(f"ipv4:10.0.0.1:{port}") for port in range(6)]
    polite = [await callers.call("ipv4:10.0.0.2:1") for _ in range(3)]
    await asyncio.sleep(0)
    assert [task.done() for task in polite] == [False] * 3
    assert sum(task.cancelled() for task in many) == 3
    fourth = await callers.call("ipv4:10.0.0.2:1")
    assert isinstance(fourth.exception(), Failure)


async def test_a_connection_that_reads_no_answers_is_closed_for_the_place_of_another_host() -> None:
    clock, closed = ManualClock(0.0), list[str]()

    def cut(connection: str) -> bool:
        closed.append(connection)
        return True

    calls = Calls(2, clock, cut)

    async def answered() -> None:
        calls.done(calls.enter("ipv4:10.0.0.1:1"))

    for _ in range(2):
        await (await started(answered))
    callers = Callers(calls)
    assert isinstance((await callers.call("ipv4:10.0.0.2:1")).exception(), Failure)
    clock.now = UNREAD
    assert not (await callers.call("ipv4:10.0.0.2:1")).done()
    assert (closed, calls.count) == (["ipv4:10.0.0.1:1"], 1)


async def test_a_call_that_works_is_not_given_up() -> None:
    callers = Callers(Calls(2))
    working = [await callers.call("greedy", waits=False) for _ in range(2)]
    refused = await callers.call("polite")
    assert isinstance(refused.exception(), Failure)
    assert not any(task.done() for task in working)


async def test_of_connections_with_one_call_each_only_one_that_has_waited_gives_way() -> None:
    clock = ManualClock(0.0)
    callers = Callers(Calls(2, clock))
    waiting = [await callers.call(name) for name in ("a", "b")]
    assert isinstance((await callers.call("c")).exception(), Failure)
    clock.now = 1.0
    assert not (await callers.call("c")).done()
    await asyncio.sleep(0)
    assert [task.cancelled() for task in waiting].count(True) == 1


async def test_large_answers_are_made_one_at_a_time_and_with_a_pause() -> None:
    clock = ManualClock(0.0)
    turns = Turns(8, clock)
    first = await turns.take("greedy")  # the caller is unknown
    second = await started(lambda: turns.take("greedy"))
    clock.now = 0.02
    turns.leave(first, LARGE + 1)
    await asyncio.sleep(0)
    assert not second.done()  # it has taken as long as the first one
    turn = await second
    assert isinstance(turn, Turn)
    assert turn.large


async def test_small_answers_wait_for_no_large_ones() -> None:
    turns = Turns(8)
    turns.leave(await turns.take("polite"), 100)
    await turns.take("greedy")
    waiting = await started(lambda: turns.take("greedy"))
    for _ in range(7):
        assert not (await turns.take("polite")).large
    assert not waiting.done()


async def test_the_connection_that_was_sent_the_least_goes_first() -> None:
    turns = Turns(1)
    for _ in range(10):
        turns.leave(await turns.take("greedy"), 10_000)
    turns.leave(await turns.take("polite"), 100)
    at_work = await turns.take("greedy")
    order = list[str]()

    async def work(connection: str) -> None:
        turn = await turns.take(connection)
        order.append(connection)
        turns.leave(turn, 100)

    waiting = [await started(lambda: work("greedy")) for _ in range(3)]
    waiting.append(await started(lambda: work("polite")))
    turns.leave(at_work, 10_000)
    await asyncio.gather(*waiting)
    assert order == ["polite", "greedy", "greedy", "greedy"]


async def test_a_call_that_is_given_up_while_it_waits_leaves_its_place_to_the_next() -> None:
    turns = Turns(1)
    at_work = await turns.take("a")
    waiting = [await started(lambda: turns.take("a")) for _ in range(3)]
    waiting[0].cancel()
    turns.leave(at_work, 0)  # before the cancelled one resumes
    waiting[1].cancel()  # it has been admitted already
    assert await waiting[2]


MOST = 8 * SMALL


class Wire:
    def __init__(self) -> None:
        self.closed: list[str] = []

    def cut(self, connection: str) -> bool:
        self.closed.append(connection)
        return True


async def test_a_connection_has_no_more_than_its_share_of_unread_answers() -> None:
    unread = UnreadResponses(MOST, 10, Wire().cut)
    size = SMALL - OVERHEAD
    first = unread.add("greedy", size)
    unread.check("greedy")
    unread.add("greedy", size)
    for refused in (lambda: unread.check("greedy"), lambda: unread.add("greedy", size)):
        with pytest.raises(Failure) as caught:
            refused()
        assert caught.value.reason == "ANSWERS_NOT_READ"
    unread.add("polite", size)
    unread.remove(first)
    unread.add("greedy", size)
    assert unread.total == 3 * SMALL
    unread.close()


async def test_one_answer_may_be_as_large_as_it_likes() -> None:
    unread = UnreadResponses(MOST, 10, Wire().cut)
    unread.add("a", 2 * MOST)
    unread.close()


async def test_where_there_is_no_room_those_who_do_not_read_are_closed() -> None:
    clock, wire = ManualClock(0.0), Wire()
    unread = UnreadResponses(MOST, 10, wire.cut, clock=clock)
    for number in range(4):
        clock.now = number / 10
        unread.add(f"greedy-{number}", 2 * SMALL - OVERHEAD)
    with pytest.raises(Failure) as caught:
        unread.add("polite", 2 * SMALL)
    assert caught.value.reason == "TOO_MANY_UNREAD_ANSWERS"
    unread.add("polite", 100)  # there is always some room for small ones
    assert wire.closed == []
    clock.now = STALLED
    unread.add("polite", SMALL)
    assert wire.closed == ["greedy-0"]
    assert unread.total <= MOST
    unread.close()


async def test_an_answer_that_is_not_read_in_time_costs_the_connection() -> None:
    wire, closed = Wire(), asyncio.Event()

    def cut(connection: str) -> bool:
        closed.set()
        return wire.cut(connection)

    unread = UnreadResponses(MOST, 0.01, cut)
    unread.remove(unread.add("polite", 100))
    unread.add("greedy", 100)
    unread.add("greedy", 100)
    await closed.wait()
    assert wire.closed == ["greedy"]
    assert unread.total == 0
    unread.close()
