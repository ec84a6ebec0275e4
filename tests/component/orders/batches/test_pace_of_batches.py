"""Orders of batches keep their distance in all processes, and wait for the balance instead of failing."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from kit.values import money, timestamps
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import events_pb2
from tests.component.orders.batches.buying_many import FINISHED, bulk, opened
from tests.component.orders.shop import Shop
from tests.fixtures.patience import until

# Seconds.
PAUSE = 0.4


async def moments(shop: Shop) -> list[datetime]:
    """Return when the provider received its orders."""
    async with shop.http.get(f"{shop.sandbox.control_url}/orders") as answer:
        found = (await answer.json())["orders"]
    return sorted(timestamps.from_iso(order["createdDate"]) for order in found)


async def test_orders_of_two_batches_in_two_processes_keep_their_distance(shop: Shop) -> None:
    await shop.control("balance", set=1_000_000)
    async with shop.channel(batch_pause=PAUSE) as one, shop.channel(batch_pause=PAUSE) as other:
        first, second = await opened(shop, one), await opened(shop, other)
        second.buyer = await shop.session("bob@example.com")
        batches = [
            (many, await many.create([many.item(plan=n, quantity=10) for n in range(4)]))
            for many in (first, second)
        ]
        for many, batch in batches:
            assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED
        found = await moments(shop)
        assert len(found) == 8
        least = min((b - a).total_seconds() for a, b in pairwise(found))
        assert least >= PAUSE


async def test_a_low_balance_at_the_provider_pauses_the_batch_without_a_failure(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.control("balance", set=0)
        batch = await many.create([many.item(plan=n, quantity=2) for n in range(5)])
        waiting = await many.reaches(batch, pb.BATCH_STATUS_WAITING_FOR_BALANCE)
        assert waiting.counts.failed == 0
        orders = await shop.databases.admin.fetchval("select count(*) from orders.esim_orders")
        assert orders <= 3
        await shop.control("balance", set=1_000_000)
        # The callback of the top-up wakes everything that waits.
        event = events_pb2.ProviderEvent(
            event_id=str(uuid.uuid4()),
            received_at=timestamps.to_proto(datetime.now(UTC)),
            balance_changed=events_pb2.BalanceChanged(
                kind="Topup",
                old_balance=money.to_proto(Decimal(0), ""),
                new_balance=money.to_proto(Decimal(1_000_000), ""),
            ),
        )
        await many.orders.ApplyEvents(
            events_pb2.ApplyEventsRequest(events=[event]), metadata=shop.service_key
        )
        done = await many.finished(batch)
        assert (done.status, done.counts.delivered) == (pb.BATCH_STATUS_COMPLETED, 5)


async def test_an_order_that_waits_for_the_balance_ends_with_its_batch(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.control("balance", set=0)
        batch = await many.create([many.item(quantity=2), many.item(plan=1)])
        await many.reaches(batch, pb.BATCH_STATUS_WAITING_FOR_BALANCE)
        await many.cancel(batch)
        done = await many.finished(batch)
        assert (done.status, done.counts.cancelled) == (pb.BATCH_STATUS_CANCELLED, 2)
        assert shop.charges == 0


async def test_a_watcher_sees_the_batch_until_its_end(shop: Shop) -> None:
    async with bulk(shop) as many:
        batch = await many.create([many.item(plan=n) for n in range(3)])
        seen = [
            answer.batch
            async for answer in many.batches.WatchBatch(
                pb.WatchBatchRequest(batch_id=batch.id), metadata=many.buyer
            )
        ]
        delivered = [one.counts.delivered for one in seen]
        assert delivered == sorted(delivered)
        assert seen[-1].status in FINISHED
        assert seen[-1].counts.delivered == 3


async def test_a_scheduled_batch_begins_at_its_time(shop: Shop) -> None:
    async with bulk(shop) as many:
        batch = await many.schedule([many.item()])
        begins = await many.begin(batch, seconds=2)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED
        [at] = await moments(shop)
        assert at >= begins


async def test_a_row_that_causes_an_unexpected_error_does_not_keep_the_others_back(
    shop: Shop,
) -> None:
    async with bulk(shop) as many:
        batch = await many.schedule([many.item(plan=n, quantity=3) for n in range(3)])
        # No claim of this order can be recorded.
        await shop.databases.admin.execute(
            """
            create function orders.poison() returns trigger language plpgsql as $f$
            begin
                if new.quantity = 3 and exists (
                    select from orders.batch_orders b where b.id = new.batch_order_id and b.n = 3
                ) then raise exception 'poison'; end if;
                return new;
            end $f$;
            """
        )
        await shop.databases.admin.execute(
            "create trigger poison before insert on orders.esim_orders for each row"
            " execute function orders.poison()"
        )
        await many.begin(batch)

        async def others_are_done() -> bool:
            return (await many.get(batch)).counts.delivered >= 2

        await until(others_are_done)
        await shop.databases.admin.execute("drop trigger poison on orders.esim_orders")
        await shop.databases.admin.execute("update orders.batch_orders set retry_at = now()")
        assert (await many.finished(batch)).counts.delivered == 3


async def test_an_order_that_can_not_be_examined_now_does_not_keep_the_others_back(
    shop: Shop,
) -> None:
    async with bulk(shop) as many:
        batch = await many.schedule([many.item(plan=n, quantity=2) for n in range(3)])
        shop.catalogue.unreachable.add(many.plan(0))
        await many.begin(batch)

        async def others_are_done() -> bool:
            return (await many.get(batch)).counts.delivered >= 2

        await until(others_are_done)
        assert (await many.items(batch))[0].status == pb.BATCH_ITEM_STATUS_PENDING
        shop.catalogue.unreachable.clear()
        await shop.databases.admin.execute("update orders.batch_orders set retry_at = now()")
        assert (await many.finished(batch)).counts.delivered == 3


async def test_a_batch_goes_on_after_a_restart(shop: Shop) -> None:
    await shop.control("balance", set=1_000_000)
    async with bulk(shop) as many:
        batch = await many.create([many.item(plan=n, quantity=10) for n in range(4)])
    async with bulk(shop) as again:
        done = await again.finished(batch)
        assert done.status == pb.BATCH_STATUS_COMPLETED
        assert shop.charges == 4
        assert done.counts.esims_delivered == 40
