"""Pauses requested by the provider: their maximum length, and how calls resume."""

import asyncio
import logging
from datetime import timedelta

import pytest

from kit.errors import Failure, Kind
from tests.fixtures.stepped_clock import START
from tests.unit.providers.paced_shop import Request, Shop

FAR = [
    pytest.param("86400", id="seconds"),
    pytest.param("Mon, 02 Mar 2026 12:00:00 GMT", id="date"),
    pytest.param("inf", id="nonsense"),
]


async def refused(request: Request) -> Failure:
    with pytest.raises(Failure) as raised:
        await request.task
    return raised.value


@pytest.mark.parametrize("text", FAR)
async def test_after_a_minute_one_call_at_a_time_probes_a_long_pause(shop: Shop, text: str) -> None:
    await shop.answer(await shop.ask(), {"Retry-After": text}, status=429)
    first, second, third = [await shop.ask(timeout=300) for _ in range(3)]
    await shop.clock.advance(59.9)
    assert not first.sent()
    await shop.clock.advance(0.2)
    assert [first.sent(), second.sent(), third.sent()] == [True, False, False]
    # It is refused again: after another minute one call is tried.
    await shop.answer(first, {"Retry-After": text}, status=429)
    await shop.clock.advance(59.9)
    assert not second.sent()
    await shop.clock.advance(0.2)
    assert [second.sent(), third.sent()] == [True, False]
    # A response: calls resume, as many as there are tokens.
    await shop.answer(second, shop.window(remaining=9))
    assert third.sent()


@pytest.mark.parametrize("how", ["no answer", "cancelled"])
async def test_the_next_call_probes_if_a_probe_ends_without_a_response(
    shop: Shop, how: str
) -> None:
    await shop.answer(await shop.ask(), {"Retry-After": "30"}, status=429)
    first, second, third = [await shop.ask(timeout=300) for _ in range(3)]
    await shop.clock.advance(30.1)
    if how == "cancelled":
        first.task.cancel()
    else:
        first.answer.set_exception(TimeoutError())
    await shop.clock.advance(0.0)
    assert [second.sent(), third.sent()] == [True, False]


async def test_a_response_to_a_call_sent_before_the_pause_does_not_end_it(shop: Shop) -> None:
    await shop.learn(remaining=9)
    slow = await shop.ask()
    await shop.answer(await shop.ask(), {"Retry-After": "30"}, status=429)
    waiting = await shop.ask()
    await shop.answer(slow, shop.window(remaining=9))
    assert not waiting.sent()


async def test_a_short_pause_needs_no_probe(shop: Shop) -> None:
    await shop.learn(remaining=9)
    await shop.answer(await shop.ask(), {"Retry-After": "1"}, status=429)
    for _ in range(9):
        await shop.ask()
    await shop.clock.advance(1.1)
    assert len(shop.order) > 3


async def test_calls_that_would_wait_too_long_are_refused_when_the_pause_begins(shop: Shop) -> None:
    hasty, patient = await shop.ask(timeout=7), await shop.ask(timeout=300)
    await shop.answer(shop.requests[0], {"Retry-After": "86400"}, status=429)
    assert (hasty.sent(), patient.sent()) == (True, False)
    later = await shop.ask(timeout=7)
    failure = await refused(later)
    assert (failure.kind, failure.reason) == (Kind.EXHAUSTED, "PROVIDER_RATE_LIMITED")
    assert failure.retry_after == 60.0


async def test_queued_calls_are_refused_when_the_pause_begins(shop: Shop) -> None:
    first = await shop.ask()
    hasty = await shop.ask(timeout=7)  # of unknown cost, so it waits for the first
    await shop.answer(first, {"Retry-After": "86400"}, status=429)
    assert (await refused(hasty)).retry_after == 60.0


async def test_a_window_that_ends_late_is_treated_as_a_pause(shop: Shop) -> None:
    await shop.answer(await shop.ask(), shop.window(remaining=0, resets_in=40))
    first, second = await shop.ask(timeout=300), await shop.ask(timeout=300)
    assert shop.report.until == START + timedelta(seconds=40.05)
    await shop.clock.advance(40.1)
    assert (first.sent(), second.sent()) == (True, False)
    await shop.answer(first, shop.window(remaining=9))
    assert second.sent()


async def test_a_window_that_ends_in_a_day_is_ignored(shop: Shop) -> None:
    await shop.answer(await shop.ask(), shop.window(remaining=0, resets_in=86_400))
    request = await shop.ask()
    await shop.clock.advance(1.1)
    assert request.sent()


@pytest.mark.parametrize("text", FAR)
async def test_after_a_minute_one_call_at_a_time_probes_an_item_in_progress(
    shop: Shop, text: str
) -> None:
    processed = {"Retry-After": text}
    await shop.answer(await shop.ask(path="/orders/1"), processed, status=503)
    first, second = [await shop.ask(path="/orders/1", timeout=300) for _ in range(2)]
    other = await shop.ask(path="/orders/2")
    await shop.answer(other, shop.window(remaining=9))
    await shop.clock.advance(59.9)
    assert (other.sent(), first.sent(), second.sent()) == (True, False, False)
    await shop.clock.advance(0.2)
    assert (first.sent(), second.sent()) == (True, False)
    await shop.answer(first, processed, status=503)
    hasty = await shop.ask(path="/orders/1", timeout=7)
    assert (await refused(hasty)).retry_after == 60.0
    await shop.clock.advance(60.1)
    third = await shop.ask(path="/orders/1", timeout=300)
    assert (second.sent(), third.sent()) == (True, False)
    await shop.answer(second, shop.window(remaining=9))
    assert third.sent()


async def test_the_next_call_probes_an_item_in_progress_if_the_first_gives_up(shop: Shop) -> None:
    await shop.answer(await shop.ask(), {"Retry-After": "30"}, status=503)
    first, second = await shop.ask(timeout=300), await shop.ask(timeout=300)
    await shop.clock.advance(30.1)
    first.task.cancel()
    await shop.clock.advance(0.0)
    assert (first.sent(), second.sent()) == (True, True)


async def test_a_pause_is_reported_while_it_lasts_and_logged_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()
    shop.report.on_release(released.set)
    assert shop.report.until is None
    await shop.answer(await shop.ask(), {"Retry-After": "86400"}, status=429)
    assert shop.report.until == START + timedelta(seconds=60)
    assert shop.metrics.seconds == {"*": 60.0}
    await shop.clock.advance(20)
    shop.report.refresh()
    assert shop.metrics.seconds == {"*": 40.0}
    first, second = await shop.ask(timeout=300), await shop.ask(timeout=300)
    await shop.clock.advance(40.1)
    await shop.answer(first, {"Retry-After": "86400"}, status=429)
    await shop.clock.advance(60.1)
    assert not released.is_set()
    await shop.answer(second, shop.window(remaining=9))
    assert released.is_set()
    assert (shop.report.until, shop.metrics.seconds) == (None, {"*": 0.0})
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    held, over = lines
    assert held == (
        "provider calls are held: all of this process until 2026-03-01T12:01:00Z, as requested by the"
        " provider's responses; then calls are retried one at a time"
    )
    assert over.startswith("provider calls go through again: * (2 times in 12")


async def test_all_purchases_are_paused_together_and_the_pause_is_reported(shop: Shop) -> None:
    async def buy() -> Request:
        return await shop.ask("POST /orders", "/orders", timeout=300)

    await shop.answer(await buy(), {"Retry-After": "86400"}, status=503)
    assert shop.metrics.seconds == {"POST /orders": 60.0}
    assert shop.pacing.held("POST /orders", "/orders") == 60.0
    assert shop.pacing.held("GET /a", "/a") == 0.0
    purchase = await buy()
    await shop.clock.advance(60.1)
    await shop.answer(purchase, shop.window(remaining=9))
    assert (shop.report.until, shop.metrics.seconds) == (None, {"POST /orders": 0.0})


async def test_an_item_in_progress_is_not_reported_to_operators(shop: Shop) -> None:
    request = await shop.ask("POST /esims/{}/suspend", "/esims/1/suspend")
    await shop.answer(request, {"Retry-After": "5"}, status=503)
    assert (shop.report.until, shop.metrics.seconds) == (None, {})
