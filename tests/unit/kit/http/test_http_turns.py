"""Turns of clients at the start of requests."""

import asyncio
from contextlib import suppress

from kit.http.turns import AT_ONCE, SHARE, Turns

FLOOD = 100


class Watch:
    """A clock on which starting a request takes a fixed time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def start(self) -> None:
        self.now += self.seconds


async def test_a_flood_of_one_client_lets_the_next_client_start_at_once() -> None:
    watch, started = Watch(SHARE), list[str]()
    turns = Turns(watch)

    async def request(client: str) -> None:
        await turns.turn(client)
        watch.start()
        started.append(client)

    flood = [asyncio.create_task(request("flood")) for _ in range(FLOOD)]
    next_client = asyncio.create_task(request("next"))
    await next_client
    assert started.count("flood") <= 2 * AT_ONCE
    await asyncio.gather(*flood)
    assert started.count("flood") == FLOOD


async def test_requests_that_start_fast_use_the_share_of_their_client() -> None:
    at_once = 10
    watch, started = Watch(SHARE / at_once), list[int]()
    turns = Turns(watch)

    async def request(number: int) -> None:
        await turns.turn("one")
        watch.start()
        started.append(number)

    flood = [asyncio.create_task(request(number)) for number in range(FLOOD)]
    counts = []
    while len(started) < FLOOD:
        before = len(started)
        await asyncio.sleep(0)
        counts.append(len(started) - before)
    assert max(counts) <= at_once + 1
    assert len([count for count in counts if count]) <= FLOOD / at_once + 1
    await asyncio.gather(*flood)


async def test_requests_of_a_client_start_in_their_order() -> None:
    turns, started = Turns(Watch(SHARE)), list[int]()

    async def request(number: int) -> None:
        await turns.turn("one")
        started.append(number)

    await asyncio.gather(*(request(number) for number in range(FLOOD)))
    assert started == [*range(FLOOD)]


async def test_a_cancelled_request_leaves_its_turn_to_the_next() -> None:
    watch = Watch(SHARE)
    turns = Turns(watch)

    async def request() -> None:
        await turns.turn("one")
        watch.start()

    *started, lost, after = [asyncio.create_task(request()) for _ in range(AT_ONCE + 2)]
    await asyncio.sleep(0)
    assert all(task.done() for task in started)
    assert not lost.done()
    lost.cancel()
    with suppress(asyncio.CancelledError):
        await lost
    await after


async def test_idle_clients_are_forgotten() -> None:
    turns = Turns()
    await turns.turn("one")
    for _ in range(3):
        await asyncio.sleep(0)
    assert not turns._queues
