"""Turns of clients at the start of requests."""

import asyncio
from contextlib import suppress

from kit.http.turns import AT_ONCE, Turns

FLOOD = 100


async def test_a_flood_of_one_client_lets_the_next_client_start_at_once() -> None:
    turns, started = Turns(), list[str]()

    async def request(client: str) -> None:
        await turns.turn(client)
        started.append(client)

    flood = [asyncio.create_task(request("flood")) for _ in range(FLOOD)]
    polite = asyncio.create_task(request("polite"))
    await polite
    assert started.count("flood") <= 2 * AT_ONCE
    await asyncio.gather(*flood)
    assert started.count("flood") == FLOOD


async def test_requests_of_a_client_start_in_their_order() -> None:
    turns, started = Turns(), list[int]()

    async def request(number: int) -> None:
        await turns.turn("one")
        started.append(number)

    await asyncio.gather(*(request(number) for number in range(FLOOD)))
    assert started == [*range(FLOOD)]


async def test_a_cancelled_request_leaves_its_turn_to_the_next() -> None:
    turns = Turns()
    for _ in range(AT_ONCE):
        await turns.turn("one")
    lost = asyncio.create_task(turns.turn("one"))
    after = asyncio.create_task(turns.turn("one"))
    await asyncio.sleep(0)
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
