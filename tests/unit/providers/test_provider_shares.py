"""Accounts that wait for the provider's tokens take turns."""

from providers.esim_go.queue import MAX_ACCOUNTS, Priority, WriteQuota
from tests.fixtures.stepped_clock import SteppedClock
from tests.unit.providers.paced_shop import Request, Shop


async def until_sent(shop: Shop, request: Request, windows: int) -> bool:
    """True if it is sent within that many windows of a second, whose requests are all answered."""
    for _ in range(windows):
        await shop.clock.advance(1.1)
        for sent in shop.order:
            if not sent.answer.done():
                await shop.answer(sent)
    return request.sent()


async def test_within_a_priority_accounts_take_turns(shop: Shop) -> None:
    await shop.learn(remaining=0)
    flood = [await shop.ask(account="ann") for _ in range(20)]
    bob, eve = await shop.ask(account="bob"), await shop.ask(account="eve")
    second = await shop.ask(account="bob")
    await shop.clock.advance(1.1)
    assert shop.order[1:6] == [flood[0], bob, eve, flood[1], second]


async def test_a_late_account_does_not_wait_for_a_flood(shop: Shop) -> None:
    await shop.learn(remaining=0)
    for _ in range(100):
        await shop.ask(account="ann")
    assert await until_sent(shop, shop.requests[1], 2)
    assert await until_sent(shop, await shop.ask(account="bob"), 1)


async def test_a_flood_of_purchases_leaves_tokens_for_the_reads_of_others(shop: Shop) -> None:
    await shop.learn(remaining=0)
    for _ in range(200):
        await shop.ask("POST /orders", "/orders", Priority.WRITE, account="ann")
    read = await shop.ask(account="bob")
    write = await shop.ask("POST /b", "/b", Priority.WRITE, account="bob")
    assert await until_sent(shop, write, 2)
    assert await until_sent(shop, read, 4)


async def test_the_write_quota_of_an_account_recovers_with_time() -> None:
    clock = SteppedClock()
    shares = WriteQuota(clock)

    def priorities(count: int, account: str) -> list[Priority]:
        return [shares.priority(Priority.WRITE, account, 2, 10) for _ in range(count)]

    assert priorities(6, "ann") == [Priority.WRITE] * 5 + [Priority.READ]
    assert priorities(1, "bob") == [Priority.WRITE]
    await clock.advance(1.0)
    assert priorities(3, "ann") == [Priority.WRITE] * 2 + [Priority.READ]
    # Requests without an account, and those of lower priority, keep their order.
    assert priorities(50, "") == [Priority.WRITE] * 50
    assert shares.priority(Priority.SYNC, "ann", 50, 10) is Priority.SYNC
    # A single expensive request is still sent first.
    assert shares.priority(Priority.WRITE, "eve", 50, 10) is Priority.WRITE


async def test_an_absurd_cost_does_not_use_up_the_quota_of_hours() -> None:
    clock = SteppedClock()
    shares = WriteQuota(clock)
    assert shares.priority(Priority.WRITE, "ann", 1_000_000, 10) is Priority.WRITE
    assert shares.priority(Priority.WRITE, "ann", 5, 10) is Priority.READ
    await clock.advance(2.0)
    assert shares.priority(Priority.WRITE, "ann", 5, 10) is Priority.WRITE


async def test_idle_accounts_are_forgotten() -> None:
    clock = SteppedClock()
    shares = WriteQuota(clock)
    for number in range(MAX_ACCOUNTS):
        shares.priority(Priority.WRITE, str(number), 2, 10)
    await clock.advance(10)
    shares.priority(Priority.WRITE, "another", 2, 10)
    assert len(shares._used) == 1
