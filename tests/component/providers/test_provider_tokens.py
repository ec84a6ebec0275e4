"""The provider's rate-limit tokens counted in PostgreSQL: shared between processes, purchases first."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import pytest

from kit.auth.caller import act_for
from kit.db.database import Database
from kit.errors import Failure
from providers.esim_go.client import Priority, Provider, ProviderSettings
from providers.esim_go.shared_tokens import IGNORE, RESERVE, RESPECT, TAKE, SharedTokens
from sandbox.server import start
from sandbox.settings import Settings
from sandbox.switches import Switches
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

LIMIT = 10
# Milliseconds; longer than any test runs.
HOUR = 3_600_000
# Milliseconds; a test waits for its end.
MOMENT = 40


@pytest.fixture
async def opened(databases: Databases) -> AsyncIterator[dict[str, Database]]:
    """The database as each of the three processes that call the provider reaches it."""
    async with AsyncExitStack() as stack:
        yield {
            owner: await stack.enter_async_context(databases.open(owner, size=2))
            for owner in ("catalogue", "orders", "esims")
        }


def shared(database: Database, window: int = HOUR) -> SharedTokens:
    return SharedTokens(database, timeout=PATIENCE, window=window)


def within(milliseconds: int) -> float:
    return asyncio.get_running_loop().time() + milliseconds / 1000


async def test_all_processes_together_stay_within_the_rate_limit(
    opened: dict[str, Database],
) -> None:
    processes = [shared(database) for database in opened.values()]
    outcomes = await asyncio.gather(
        *(t.take(1, LIMIT, Priority.WRITE, within(HOUR // 2)) for t in processes * LIMIT),
        return_exceptions=True,
    )
    assert outcomes.count(None) == LIMIT
    refused = [o for o in outcomes if isinstance(o, Failure)]
    assert {failure.reason for failure in refused} == {"PROVIDER_RATE_LIMITED"}
    assert len(refused) == 2 * LIMIT


async def test_tokens_are_available_again_after_the_window(
    opened: dict[str, Database],
) -> None:
    tokens = shared(opened["orders"], MOMENT)
    for _ in range(40):  # more buckets than slots
        await tokens.take(LIMIT, LIMIT, Priority.WRITE, within(HOUR))


async def test_reads_of_one_process_leave_room_for_purchases_of_another(
    opened: dict[str, Database],
) -> None:
    esims, orders, soon = shared(opened["esims"]), shared(opened["orders"]), within(HOUR // 2)
    for _ in range(8):
        await esims.take(1, LIMIT, Priority.READ, soon)
    for priority in (Priority.READ, Priority.SYNC):
        with pytest.raises(Failure):
            await esims.take(1, LIMIT, priority, soon)
    await orders.take(2, LIMIT, Priority.WRITE, soon)


async def test_the_sync_leaves_room_for_reads(opened: dict[str, Database]) -> None:
    catalogue, soon = shared(opened["catalogue"]), within(HOUR // 2)
    await catalogue.take(5, LIMIT, Priority.SYNC, soon)
    with pytest.raises(Failure):
        await catalogue.take(1, LIMIT, Priority.SYNC, soon)
    await shared(opened["esims"]).take(3, LIMIT, Priority.READ, soon)


async def test_batches_leave_room_for_reads_and_purchases(opened: dict[str, Database]) -> None:
    orders, soon = shared(opened["orders"]), within(HOUR // 2)
    for _ in range(3):
        await orders.take(2, LIMIT, Priority.BULK, soon)
    with pytest.raises(Failure):
        await orders.take(2, LIMIT, Priority.BULK, soon)
    await shared(opened["esims"]).take(2, LIMIT, Priority.READ, soon)
    await orders.take(2, LIMIT, Priority.WRITE, soon)


async def test_a_call_above_the_limit_uses_up_a_whole_window(opened: dict[str, Database]) -> None:
    tokens, soon = shared(opened["orders"]), within(HOUR // 2)
    await tokens.take(50, LIMIT, Priority.WRITE, soon)
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.WRITE, soon)


async def test_reads_but_not_purchases_leave_room_for_an_overdue_sync(
    opened: dict[str, Database],
) -> None:
    async def take(cost: int, cap: int, rank: int) -> bool:
        return bool(await opened["esims"].call(TAKE, cost, cap, HOUR, rank) == 0)

    assert await take(2, 10, IGNORE)
    assert [await take(1, 8, RESPECT) for _ in range(2)] == [True, True]
    assert not await take(5, 8, RESERVE)
    assert not await take(1, 8, RESPECT)
    assert await take(2, 10, IGNORE)


async def test_a_process_that_may_know_too_low_a_limit_gets_a_call_through(
    opened: dict[str, Database],
) -> None:
    old, new, soon = shared(opened["orders"]), shared(opened["esims"]), within(HOUR // 2)
    await new.take(20, 50, Priority.WRITE, soon)
    with pytest.raises(Failure):
        await old.take(5, LIMIT, Priority.WRITE, soon)
    await old.take(5, LIMIT, Priority.READ, soon, doubtful=True)
    await new.take(25, 50, Priority.WRITE, soon)
    with pytest.raises(Failure):
        await new.take(1, 50, Priority.WRITE, soon)


async def test_a_reservation_is_used_once(opened: dict[str, Database]) -> None:
    database = opened["esims"]
    assert await database.call(TAKE, 4, 8, HOUR, RESPECT) == 0
    assert await database.call(TAKE, 5, 8, HOUR, RESERVE) > 0
    assert await database.call(TAKE, 4, 8, HOUR, RESERVE) == 0  # it costs less now, and fits
    assert await database.call(TAKE, 2, 10, HOUR, RESPECT) == 0


async def test_a_purchase_overtakes_waiting_reads_of_its_own_process(
    databases: Databases, opened: dict[str, Database], http: aiohttp.ClientSession
) -> None:
    """Reads that hold a slot and wait for tokens of the shared budget do not delay a purchase."""
    sandbox = await start(Settings(port=0, switches=Switches(tokens_per_second=100)))
    bundle = {"type": "bundle", "item": "esim_1GB_7D_GB_V2", "quantity": 1}
    order = {"type": "validate", "assign": True, "order": [bundle]}
    settings = ProviderSettings(sandbox.url, Settings().api_key, timeout=3 * HOUR)
    provider = Provider(http, settings, shared=shared(opened["orders"]))
    # The first response reveals an endpoint's cost, and any response the number of tokens.
    await provider.send("POST", "/orders", json=order)
    reads = [asyncio.create_task(provider.get("/organisation")) for _ in range(80)]
    try:
        async with asyncio.timeout(PATIENCE):
            while await taken(databases) < 80:
                await asyncio.sleep(0.01)
            await provider.send("POST", "/orders", json=order)
        assert any(not read.done() for read in reads)
    finally:
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        await sandbox.stop()


async def test_a_new_process_learns_a_higher_limit_while_others_use_it(
    databases: Databases, opened: dict[str, Database], http: aiohttp.ClientSession
) -> None:
    """The others always use more than the limit that a process assumes before its first response."""
    sandbox = await start(Settings(port=0, switches=Switches(tokens_per_second=100)))
    settings = ProviderSettings(sandbox.url, Settings().api_key, timeout=PATIENCE)
    provider = Provider(http, settings, shared=shared(opened["esims"]))
    await shared(opened["orders"]).take(50, 100, Priority.WRITE, within(HOUR // 2))
    try:
        await provider.get("/organisation")
        # By now it knows.
        await provider.get("/organisation")
        assert await taken(databases) > 50
    finally:
        await sandbox.stop()


async def test_an_absurd_limit_in_a_response_does_not_prevent_later_calls(
    opened: dict[str, Database], http: aiohttp.ClientSession
) -> None:
    sandbox = await start(Settings(port=0))
    settings = ProviderSettings(sandbox.url, Settings().api_key, timeout=PATIENCE, attempts=1)
    provider = Provider(http, settings, shared=shared(opened["orders"], MOMENT))
    names = ("X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Cost")
    absurd = dict.fromkeys(names, "9" * 400)
    fault = {"path": "/organisation", "status": 200, "body": {}, "headers": absurd}
    try:
        async with http.post(f"{sandbox.control_url}/faults", json=fault) as answer:
            assert answer.status < 300
        assert await provider.get("/organisation") == {}
        assert "balance" in await provider.get("/organisation")
    finally:
        await sandbox.stop()


async def test_a_flood_of_purchases_by_one_account_does_not_block_another_account(
    databases: Databases, opened: dict[str, Database], http: aiohttp.ClientSession
) -> None:
    """The orders service buys for one account continuously; the other account suspends its eSIM.

    On a busy machine, calls sent in two windows may arrive in one. The provider refuses some of them then,
    and they are repeated.
    """
    sandbox = await start(Settings(port=0, switches=Switches(tokens_per_second=10)))
    settings = ProviderSettings(sandbox.url, Settings().api_key, timeout=PATIENCE)
    orders = Provider(http, settings, shared=shared(opened["orders"], 1_050))
    esims = Provider(http, settings, shared=shared(opened["esims"], 1_050))
    bundle = {"type": "bundle", "item": "esim_1GB_7D_GB_V2", "quantity": 1}
    order = {"type": "transaction", "assign": True, "order": [bundle]}
    bought = await orders.send("POST", "/orders", json=order)

    async def flood() -> None:
        act_for("ann")
        while True:
            await accepted(orders, "/orders", order)

    buyers = [asyncio.create_task(flood()) for _ in range(20)]
    try:
        async with asyncio.timeout(PATIENCE):
            while await taken(databases) < 8:
                await asyncio.sleep(0.01)
        act_for("bob")
        [esim] = bought["order"][0]["esims"]
        for suspend in (True, False):
            await accepted(esims, f"/esims/{esim['iccid']}/suspend", {"suspend": suspend})
        await accepted(orders, "/orders", order)
        assert not any(buyer.done() for buyer in buyers)
    finally:
        for buyer in buyers:
            buyer.cancel()
        await asyncio.gather(*buyers, return_exceptions=True)
        await sandbox.stop()


async def accepted(provider: Provider, path: str, body: dict[str, Any]) -> None:
    """Send a write until the provider doesn't refuse it with 429."""
    while True:
        try:
            await provider.send("POST", path, json=body)
        except Failure as refused:
            if refused.details.get("provider_status") != "429":
                raise
        else:
            return


async def taken(databases: Databases) -> int:
    found = await databases.admin.fetchval("select coalesce(sum(taken), 0) from provider.tokens")
    return int(found)


async def test_no_process_reads_the_table_or_calls_the_function_without_a_grant(
    databases: Databases,
) -> None:
    orders = await asyncpg.connect(databases.url("orders"))
    webhooks = await asyncpg.connect(databases.url("webhooks"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await orders.fetch("select * from provider.tokens")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await webhooks.fetchval(TAKE, 1, 10, HOUR, IGNORE)
    finally:
        await orders.close()
        await webhooks.close()


async def test_without_a_shared_count_calls_proceed_and_a_warning_is_logged_once(
    databases: Databases, opened: dict[str, Database], caplog: pytest.LogCaptureFixture
) -> None:
    tokens = shared(opened["orders"])
    await databases.admin.execute("alter schema provider rename to elsewhere")
    with caplog.at_level(logging.WARNING):
        for _ in range(3 * LIMIT):
            await tokens.take(1, LIMIT, Priority.SYNC, within(HOUR))
    assert len([r for r in caplog.records if "can't be counted" in r.message]) == 1
