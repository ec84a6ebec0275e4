"""Old steps, attempts and notes are deleted; orders stay, and so does everything in progress."""

import asyncio
from typing import Any
from uuid import UUID

from services.orders.operators.retention import Retention
from tests.component.orders.shop import Metadata, Shop, reaches, request

AGED = """
update orders.esim_orders set created_at = created_at - interval '800 days';
update orders.order_attempts set started_at = started_at - interval '800 days';
update orders.order_events set at = at - interval '800 days';
"""
COUNTS = """
select (select count(*) from orders.order_events where order_id = $1) as steps,
    (select count(*) from orders.order_attempts where order_id = $1) as attempts
"""


async def bought(shop: Shop, orders: Any, session: Metadata, key: str) -> UUID:
    answer = await orders.CreateOrder(request(shop, idempotency_key=key), metadata=session)
    await reaches(shop, answer.order.id, "COMPLETED")
    return UUID(answer.order.id)


async def test_only_old_and_finished_data_is_deleted(shop: Shop) -> None:
    admin = shop.databases.admin
    ann = await shop.session("ann@example.com")
    async with shop.open() as orders:
        old, open_ = [await bought(shop, orders, ann, key) for key in ("old", "open")]
        await admin.execute(AGED)
        await admin.execute(
            "update orders.esim_orders set next_run_at = now() + interval '1 hour' where id = $1",
            open_,
        )
        young = await bought(shop, orders, ann, "young")
    await admin.execute(
        "insert into orders.balance_events (event_id, received_at, kind, balance)"
        " select gen_random_uuid(), now() - make_interval(days => age), 'Topup', 10"
        " from unnest(array[729, 731]) as age"
    )
    before = {order: tuple(await admin.fetchrow(COUNTS, order) or ()) for order in (young, open_)}
    assert all(steps > 0 and attempts == 1 for steps, attempts in before.values())

    stop = asyncio.Event()
    async with shop.databases.open("orders") as database:
        pruned = await Retention(database, days=730, stop=stop).prune()
        again = await Retention(database, days=730, stop=stop).prune()

    assert pruned["steps"] > 0
    assert (pruned["attempts"], pruned["balance events"]) == (1, 1)
    assert not again
    assert tuple(await admin.fetchrow(COUNTS, old) or ()) == (0, 0)
    after = {order: tuple(await admin.fetchrow(COUNTS, order) or ()) for order in (young, open_)}
    assert after == before
    assert await admin.fetchval("select count(*) from orders.esim_orders") == 3


async def test_without_a_retention_period_nothing_is_deleted(shop: Shop) -> None:
    async with shop.open() as orders:
        ann = await shop.session("ann@example.com")
        await bought(shop, orders, ann, "old")
    await shop.databases.admin.execute(AGED)
    stop = asyncio.Event()
    async with shop.databases.open("orders") as database:
        assert not await Retention(database, days=0, stop=stop).prune()
    assert await shop.databases.admin.fetchval("select count(*) from orders.order_events") > 0
