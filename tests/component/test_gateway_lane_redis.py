"""Rates in Redis: the lane can't ask there at once, so requests in the same bytes wait for it in aiohttp."""

from typing import Any

import pytest

from gateway.defence_settings import DefenceSettings
from tests.fixtures.two_doors import OWN, Doors, get, post
from tests.unit.kit.test_cache_redis import Server, server

__all__ = ["server"]  # a fixture


@pytest.fixture
def rate() -> float:
    """Operations a second of one address: here more than anybody asks."""
    return 1_000


@pytest.fixture
def door_settings(server: Server, rate: float) -> dict[str, Any]:
    return {"redis_url": server.url, "defence": DefenceSettings(address_rate=rate, user_rate=0)}


def counted(server: Server) -> int:
    """How often Redis was asked to count."""
    return int(server.redis.info("commandstats")["cmdstat_eval"]["calls"])


@pytest.mark.parametrize(
    "request_", [post(b"User-Agent: a", b"Origin: https://shop.example"), get()]
)
async def test_what_came_before_is_counted_once_and_answered_alike(
    doors: Doors,
    server: Server,
    request_: bytes,
) -> None:
    lane, plain = await doors.wire(), await doors.wire(doors.plain)
    answers = [await wire.ask(request_) for wire in (plain, lane, lane, lane)]
    assert len({OWN.sub(b"", answer) for answer in answers}) == 1
    assert counted(server) == len(answers)
    doors.name_plans(["three"])
    doors.kept.drop()
    assert b'"three"' in await lane.ask(request_)
    for wire in (lane, plain):
        await wire.close()


# One for a start, and another in ten minutes.
@pytest.mark.parametrize("rate", [1 / 600])
async def test_who_asks_too_often_is_refused_in_the_words_of_the_long_way(doors: Doors) -> None:
    wire = await doors.wire()
    assert (await wire.ask(post())).startswith(b"HTTP/1.1 200 ")
    for _ in range(2):
        refused = await wire.ask(post())
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"TOO_MANY_REQUESTS" in refused
    await wire.close()
