"""Rate limits: a token bucket for each user and address, in memory or in a real Redis."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.defence_settings import DefenceSettings
from gateway.http import rate_limits
from gateway.http.rate_limits import BURST, Bucket, Memory, RateLimits
from kit.auth.sessions import Role, Session
from kit.errors import Failure, Kind
from kit.net import optional_dependency
from tests.fixtures.programs.odd_redis import ODD_ANSWERS, odd_redis
from tests.fixtures.programs.redis_server import RedisServer
from tests.fixtures.stepped_clock import SteppedClock

# Two a second, with a burst of several seconds.
SETTINGS = DefenceSettings(user_rate=2, address_rate=2, trusted_proxies=(ip_network("10.0.0.0/8"),))
WORK_BURST = int(2 * BURST)
# Seconds. Longer than Redis takes on any machine; a stopped one is detected at once.
PATIENCE = 30
REQUEST = make_mocked_request("POST", "/graphql")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def limits(clock: SteppedClock) -> AsyncIterator[RateLimits]:
    made = RateLimits(SETTINGS, None, clock)
    yield made
    await made.close()


def of(address: str) -> web.Request:
    """A request forwarded by a proxy."""
    return REQUEST.clone(remote="10.0.0.1", headers={"X-Forwarded-For": address})


def user(number: int) -> Session:
    return Session(Role.CUSTOMER, UUID(int=number), MappingProxyType({}), "", None)


async def refused(
    limits: RateLimits, request: web.Request, session: Session | None = None
) -> float:
    """Return the seconds to wait."""
    with pytest.raises(Failure) as refusal:
        await limits.take(request, session)
    assert refusal.value.kind is Kind.EXHAUSTED
    assert refusal.value.retry_after is not None
    return refusal.value.retry_after


async def test_a_request_at_the_limit_passes_and_the_next_is_refused(
    limits: RateLimits, clock: SteppedClock
) -> None:
    for _ in range(WORK_BURST):
        await limits.take(of("203.0.113.7"))
    assert await refused(limits, of("203.0.113.7")) == 0.5
    await limits.take(of("203.0.113.8"))
    clock.passed += 0.49
    assert await refused(limits, of("203.0.113.7")) == pytest.approx(0.01)
    clock.passed += 0.01
    await limits.take(of("203.0.113.7"))
    assert await refused(limits, of("203.0.113.7")) == 0.5


async def test_a_client_within_the_rate_is_never_refused(
    limits: RateLimits, clock: SteppedClock
) -> None:
    for _ in range(10 * WORK_BURST):
        await limits.take(of("203.0.113.7"))
        clock.passed += 0.5


async def test_a_user_is_counted_across_addresses(limits: RateLimits) -> None:
    for n in range(WORK_BURST):
        await limits.take(of(f"203.0.113.{n}"), user(1))
    await refused(limits, of("203.0.113.99"), user(1))
    await limits.take(of("203.0.113.99"), user(2))


async def test_an_address_is_counted_across_users(limits: RateLimits) -> None:
    for n in range(WORK_BURST):
        await limits.take(of("2001:db8:1:2::1"), user(n))
    await refused(limits, of("2001:db8:1:2:ffff::2"), user(999))
    await limits.take(of("2001:db8:1:3::1"), user(999))


async def test_refused_requests_are_not_counted(limits: RateLimits, clock: SteppedClock) -> None:
    for n in range(WORK_BURST):
        await limits.take(of(f"203.0.113.{n}"), user(1))
    for _ in range(100):
        await refused(limits, of("203.0.113.99"), user(1))
    for _ in range(WORK_BURST):
        await limits.take(of("203.0.113.99"))
    clock.passed += 0.5
    await limits.take(of("203.0.113.1"), user(1))


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0, 7.0, 1_000_000.0])
async def test_any_rate_lets_at_least_one_pass(clock: SteppedClock, rate: float) -> None:
    limits = RateLimits(DefenceSettings(user_rate=0, address_rate=rate), None, clock)
    await limits.take(of("203.0.113.7"))


async def test_a_rate_of_zero_is_unlimited(clock: SteppedClock) -> None:
    limits = RateLimits(DefenceSettings(user_rate=0, address_rate=0), None, clock)
    for _ in range(2_000):
        await limits.take(of("203.0.113.7"), user(1))


def test_the_number_of_buckets_is_bounded_and_the_newest_are_stored(clock: SteppedClock) -> None:
    memory = Memory(clock)
    for n in range(rate_limits.MAX_BUCKETS + 100):
        for _ in range(2 if n == rate_limits.MAX_BUCKETS else 1):
            assert memory.take([Bucket(str(n), 0.1)]) in (0, 10)
    assert len(memory) == rate_limits.MAX_BUCKETS
    assert memory.take([Bucket(str(rate_limits.MAX_BUCKETS), 0.1)]) == 10
    assert memory.take([Bucket("0", 0.1)]) == 0


async def test_an_untrusted_proxy_is_logged_once(
    clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    unnamed = RateLimits(DefenceSettings(), None, clock)
    named = RateLimits(SETTINGS, None, clock)
    for limits in (named, unnamed, unnamed):
        await limits.take(of("203.0.113.7"))
    (line,) = caplog.messages
    assert "GATEWAY_TRUSTED_PROXIES is not set" in line


async def test_processes_that_share_a_redis_count_together(redis_server: RedisServer) -> None:
    one, two = [RateLimits(SETTINGS, redis_server.url, timeout=PATIENCE) for _ in range(2)]
    outcomes = await asyncio.gather(
        *(limits.take(of("203.0.113.7"), user(1)) for limits in [one, two] * WORK_BURST),
        return_exceptions=True,
    )
    # On a slow machine a few more are refilled meanwhile.
    passed = outcomes.count(None)
    assert WORK_BURST <= passed < 2 * WORK_BURST
    waits = [o.retry_after for o in outcomes if isinstance(o, Failure)]
    assert len(waits) == 2 * WORK_BURST - passed
    assert all(0 < (wait or 0) <= 0.5 for wait in waits)
    await two.take(of("203.0.113.8"), user(2))
    await one.close()
    await two.close()


async def test_without_redis_each_process_counts_separately_and_refuses_no_client(
    redis_server: RedisServer, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    limits = RateLimits(SETTINGS, redis_server.url, clock, timeout=PATIENCE)
    await limits.take(of("203.0.113.7"))
    redis_server.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(WORK_BURST):
            await limits.take(of("203.0.113.7"))
        assert await refused(limits, of("203.0.113.7")) == 0.5
    assert [r.message for r in caplog.records if "Redis is unavailable" in r.message] != []
    assert len(caplog.records) == 1
    redis_server.start()
    clock.passed += optional_dependency.PAUSE
    with caplog.at_level(logging.WARNING):
        await limits.take(of("203.0.113.7"))
    assert caplog.messages[-1].startswith("rate limits: Redis is available again (")
    await limits.close()


@pytest.mark.parametrize("answer", ODD_ANSWERS)
async def test_a_server_that_does_not_answer_as_redis_is_done_without(
    answer: bytes, clock: SteppedClock
) -> None:
    async with odd_redis(answer) as url:
        limits = RateLimits(SETTINGS, url, clock, timeout=PATIENCE)
        for _ in range(WORK_BURST):
            await limits.take(of("203.0.113.7"))
        assert await refused(limits, of("203.0.113.7")) == 0.5
        await limits.close()


@pytest.mark.parametrize("stored", ["9e15", "inf", "1e400"])
async def test_after_redis_clock_was_set_back_nobody_waits_longer(
    redis_server: RedisServer, stored: str
) -> None:
    redis_server.redis.set("esimgo:gateway:rate:address:203.0.113.7", stored)
    limits = RateLimits(SETTINGS, redis_server.url, timeout=PATIENCE)
    assert await refused(limits, of("203.0.113.7")) == 0.5
    await limits.close()


CODES = replace(SETTINGS, coupon_rate=10)
WRONG = Failure(Kind.REFUSED, "COUPON_NOT_VALID", "unknown")


async def order_with(
    limits: RateLimits, session: Session, failure: Failure | None, address: str = "203.0.113.7"
) -> None:
    guesses = limits.code_guesses(of(address), session)
    with suppress(Failure):
        async with guesses.ordering("CODE"):
            if failure is not None:
                raise failure


async def test_codes_that_can_be_used_are_taken_back_and_others_are_counted(
    clock: SteppedClock,
) -> None:
    limits = RateLimits(CODES, None, clock)
    for failure in (None, Failure(Kind.REFUSED, "PLAN_UNAVAILABLE", "no")):
        for _ in range(20):
            await order_with(limits, user(1), failure)
    for _ in range(10):
        await order_with(limits, user(1), WRONG)
    with pytest.raises(Failure) as refusal:
        async with limits.code_guesses(of("203.0.113.8"), user(1)).ordering("CODE"):
            raise AssertionError("entered")
    assert (refusal.value.reason, refusal.value.retry_after) == ("TOO_MANY_REQUESTS", 6)
    async with limits.code_guesses(of("203.0.113.8"), user(2)).ordering("CODE"):
        pass
    clock.passed += 6
    async with limits.code_guesses(of("203.0.113.8"), user(1)).ordering("CODE"):
        pass


async def test_codes_of_many_anonymous_users_count_for_their_address(clock: SteppedClock) -> None:
    limits = RateLimits(CODES, None, clock)
    for number in range(10):
        await order_with(limits, user(number), WRONG)
    with pytest.raises(Failure) as refusal:
        async with limits.code_guesses(of("203.0.113.7"), user(10)).ordering("CODE"):
            raise AssertionError("entered")
    assert (refusal.value.reason, refusal.value.retry_after) == ("TOO_MANY_REQUESTS", 6)
    # Checks without a session share the limit of the address, and other addresses have their own.
    with pytest.raises(Failure):
        await limits.code_guesses(of("203.0.113.7"), user(11)).check()
    async with limits.code_guesses(of("203.0.113.8"), user(10)).ordering("CODE"):
        pass


async def test_codes_are_counted_together_in_redis(redis_server: RedisServer) -> None:
    one, two = [RateLimits(CODES, redis_server.url, timeout=PATIENCE) for _ in range(2)]
    for limits in [one, two] * 10:
        await order_with(limits, user(1), None)
    for limits in [one, two] * 5:
        await order_with(limits, user(1), WRONG, "203.0.113.8")
        await limits.code_guesses(of("203.0.113.7"), user(1)).check()
    for limits in (one, two):
        guesses = limits.code_guesses(of("203.0.113.7"), user(1))
        with pytest.raises(Failure):
            await guesses.check()
        with pytest.raises(Failure):
            async with guesses.ordering("CODE"):
                raise AssertionError("entered")
    await one.close()
    await two.close()
