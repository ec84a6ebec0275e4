"""The queue in front of the provider's rate limit, on a clock that the test moves."""

import pytest

from kit.errors import Failure, Kind
from providers.esim_go.pacing import MARGIN
from providers.esim_go.queue import Priority
from tests.fixtures.stepped_clock import settle
from tests.unit.providers.paced_shop import Shop


async def test_an_endpoint_of_unknown_cost_is_called_alone_first(shop: Shop) -> None:
    for _ in range(20):
        await shop.ask()
    assert len(shop.order) == 1
    await shop.answer(shop.requests[0], shop.window(remaining=9))
    assert len(shop.order) == 1 + 9


async def test_half_of_a_new_window_is_spent_until_a_response_reports_the_rest(shop: Shop) -> None:
    await shop.learn(remaining=9)
    await shop.clock.advance(2.0)
    for _ in range(20):
        await shop.ask()
    assert len(shop.order) == 1 + 5
    await shop.answer(shop.requests[1], shop.window(remaining=9))
    assert len(shop.order) == 1 + 10  # nine left, of which four were in flight


async def test_an_empty_window_is_waited_for(shop: Shop) -> None:
    await shop.learn(remaining=0, resets_in=0.75)
    request = await shop.ask()
    await shop.clock.advance(0.75)
    assert not request.sent()
    await shop.clock.advance(MARGIN)
    assert request.sent()


async def test_requests_in_flight_count_against_the_window(shop: Shop) -> None:
    await shop.learn(remaining=3)
    for _ in range(5):
        await shop.ask()
    assert len(shop.order) == 1 + 3


async def test_out_of_order_responses_do_not_return_tokens(shop: Shop) -> None:
    first, second = await shop.ask(), await shop.ask()
    await shop.answer(second, shop.window(remaining=2))
    await shop.answer(first, shop.window(remaining=4))
    for _ in range(5):
        await shop.ask()
    assert len(shop.order) == 2 + 2


async def test_a_response_from_an_earlier_window_is_ignored(shop: Shop) -> None:
    await shop.learn(remaining=9)
    late = await shop.ask()
    earlier = shop.window(remaining=1, resets_in=1.0)
    await shop.clock.advance(2.0)
    for _ in range(20):
        await shop.ask()
    assert len(shop.order) == 2 + 5
    await shop.answer(late, earlier)
    assert len(shop.order) == 2 + 5
    await shop.answer(shop.order[2], shop.window(remaining=9))
    assert len(shop.order) == 2 + 10


async def test_the_cost_of_an_endpoint_is_learned(shop: Shop) -> None:
    request = await shop.ask(endpoint="GET /dear")
    await shop.answer(request, shop.window(remaining=9, cost=5))
    first, second = await shop.ask(endpoint="GET /dear"), await shop.ask(endpoint="GET /dear")
    assert (first.sent(), second.sent()) == (True, False)


async def test_an_expensive_request_is_not_overtaken_by_cheap_ones(shop: Shop) -> None:
    dear = await shop.ask(endpoint="GET /dear")
    await shop.answer(dear, shop.window(remaining=3, cost=5))
    dear = await shop.ask(endpoint="GET /dear")
    cheap = await shop.ask(endpoint="GET /cheap")
    assert (dear.sent(), cheap.sent()) == (False, False)
    await shop.clock.advance(1.1)
    assert dear.sent()


async def test_a_request_more_expensive_than_any_window_is_still_sent(shop: Shop) -> None:
    request = await shop.ask(endpoint="GET /dear")
    await shop.answer(request, shop.window(remaining=9, cost=50))
    request = await shop.ask(endpoint="GET /dear")
    await shop.clock.advance(2.0)
    assert request.sent()


async def test_writes_go_first_and_sync_last_and_equal_priorities_in_order(shop: Shop) -> None:
    await shop.learn(remaining=0)
    sync = await shop.ask(priority=Priority.SYNC)
    first = await shop.ask(priority=Priority.READ)
    second = await shop.ask(priority=Priority.READ)
    write = await shop.ask(priority=Priority.WRITE)
    await shop.clock.advance(1.1)
    assert shop.order[1:] == [write, first, second, sync]


async def test_a_batch_goes_after_reads_and_before_the_sync(shop: Shop) -> None:
    await shop.learn(remaining=0)
    sync = await shop.ask(priority=Priority.SYNC)
    bulk = await shop.ask(priority=Priority.BULK)
    read = await shop.ask(priority=Priority.READ)
    write = await shop.ask(priority=Priority.WRITE)
    await shop.clock.advance(1.1)
    assert shop.order[1:] == [write, read, bulk, sync]


async def test_a_batch_leaves_two_tokens_of_a_window_to_others(shop: Shop) -> None:
    await shop.learn(remaining=2)
    bulk = await shop.ask(priority=Priority.BULK)
    assert not bulk.sent()
    await shop.clock.advance(1.1)
    assert bulk.sent()


async def test_a_request_past_its_deadline_is_refused_and_leaves_the_queue(shop: Shop) -> None:
    await shop.learn(remaining=0)
    hasty = await shop.ask(timeout=0.5)
    patient = await shop.ask()
    await shop.clock.advance(0.55)
    with pytest.raises(Failure) as raised:
        await hasty.task
    assert (raised.value.kind, raised.value.reason) == (Kind.EXHAUSTED, "PROVIDER_RATE_LIMITED")
    await shop.clock.advance(0.55)
    assert (hasty.sent(), patient.sent()) == (False, True)


async def test_a_cancelled_request_leaves_the_queue(shop: Shop) -> None:
    await shop.learn(remaining=0)
    dear, other = await shop.ask(), await shop.ask()
    dear.task.cancel()
    await settle()
    assert shop.pacing.waiting == 1
    await shop.clock.advance(1.1)
    assert (dear.sent(), other.sent()) == (False, True)


async def test_a_slot_granted_to_a_just_cancelled_request_is_returned(
    shop: Shop,
) -> None:
    await shop.learn(remaining=0)
    waiting = [await shop.ask() for _ in range(6)]
    shop.clock.fire_next()  # grants five of them, and their tasks haven't run since
    for request in waiting[:5]:
        request.task.cancel()
    await settle()
    assert [request.sent() for request in waiting] == [False] * 5 + [True]


async def test_a_429_stops_all_requests_for_the_requested_time(shop: Shop) -> None:
    await shop.answer(await shop.ask(), {"Retry-After": "3"}, status=429)
    write = await shop.ask(priority=Priority.WRITE)
    await shop.clock.advance(2.9)
    assert not write.sent()
    await shop.clock.advance(0.2)
    assert write.sent()


async def test_a_429_without_a_time_stops_all_requests_until_the_window_ends(shop: Shop) -> None:
    await shop.answer(await shop.ask(), status=429)
    request = await shop.ask()
    await shop.clock.advance(0.9)
    assert not request.sent()
    await shop.clock.advance(0.2)
    assert request.sent()


async def test_concurrency_drops_after_refusals_and_recovers(shop: Shop) -> None:
    await shop.learn(remaining=9)
    for request in [await shop.ask(), await shop.ask()]:
        await shop.answer(request, {"Retry-After": "1"}, status=429)
    for _ in range(30):
        await shop.ask()
    await shop.clock.advance(1.1)
    assert len(shop.order) == 3 + 3  # ten, halved twice, and one more for the new window
    for request in shop.order[3:]:
        await shop.answer(request, shop.window(remaining=5))
    await shop.clock.advance(2.2)
    assert len(shop.order) > 6 + 3


async def test_a_pause_longer_than_the_deadline_is_refused_at_once(shop: Shop) -> None:
    await shop.answer(await shop.ask(), {"Retry-After": "30"}, status=429)
    request = await shop.ask(timeout=5)
    with pytest.raises(Failure) as raised:
        await request.task
    assert (raised.value.kind, raised.value.retry_after) == (Kind.EXHAUSTED, 30)


async def test_an_item_in_progress_waits_and_other_requests_continue(shop: Shop) -> None:
    await shop.answer(await shop.ask(path="/orders/1"), {"Retry-After": "5"}, status=503)
    same, other = await shop.ask(path="/orders/1"), await shop.ask(path="/orders/2")
    await shop.clock.advance(4.9)
    assert (same.sent(), other.sent()) == (False, True)
    await shop.clock.advance(0.2)
    assert same.sent()


async def test_without_headers_the_documented_default_applies(shop: Shop) -> None:
    for _ in range(30):
        request = await shop.ask()
        if request.sent():
            await shop.answer(request)
    assert len(shop.order) == 10
    await shop.clock.advance(1.1)
    assert 10 < len(shop.order) <= 20


async def test_a_request_without_an_answer_has_spent_its_tokens(shop: Shop) -> None:
    await shop.learn(remaining=1)
    lost = await shop.ask()
    lost.task.cancel()
    await settle()
    assert not (await shop.ask()).sent()


async def test_the_tokens_left_are_reported(shop: Shop) -> None:
    await shop.learn(remaining=7)
    assert shop.tokens == [7]
