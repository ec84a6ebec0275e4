"""A row that fails fails alone, or stops its batch; a retry buys only what is missing."""

from decimal import Decimal

import asyncpg
import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import batches_pb2 as pb
from tests.component.orders.batches.buying_many import bulk, refusal
from tests.component.orders.shop import Shop

FAILED = pb.BATCH_ITEM_STATUS_FAILED
DELIVERED = pb.BATCH_ITEM_STATUS_DELIVERED
CANCELLED = pb.BATCH_ITEM_STATUS_CANCELLED


async def test_an_order_that_the_provider_refuses_fails_its_rows_alone(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.fault(method="POST", path="/orders", status=400)
        batch = await many.create([many.item(plan=n, quantity=10) for n in range(3)])
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_PARTIAL
        rows = await many.items(done)
        assert [row.status for row in rows] == [FAILED, DELIVERED, DELIVERED]
        assert (rows[0].code, rows[0].attempts) == ("NOT_SOLD_NOW", 1)
        assert rows[0].error
        assert done.counts.esims_delivered == 20


async def test_a_retry_buys_the_failed_rows_only(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.fault(method="POST", path="/orders", status=400)
        batch = await many.create([many.item(plan=n, quantity=4) for n in range(3)])
        assert await refusal(many.retry(batch)) in ("BATCH_RUNNING", "NOTHING_TO_RETRY")
        before = await many.finished(batch)
        assert before.counts.failed == 1
        await many.retry(batch)
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_COMPLETED
        assert done.counts.esims_delivered == 12
        rows = await many.items(done)
        assert [row.attempts for row in rows] == [2, 1, 1]
        assert len({iccid for row in rows for iccid in row.iccids}) == 12
        assert shop.charges == 3
        assert await refusal(many.retry(batch)) == "NOTHING_TO_RETRY"


async def test_the_first_failure_stops_a_batch_that_wants_it(shop: Shop) -> None:
    async with bulk(shop) as many:
        batch = await many.schedule(
            [many.item(plan=n, quantity=3) for n in range(4)],
            error_policy=pb.BATCH_ERROR_POLICY_STOP_ON_FAILURE,
        )
        # The catalogue withdraws the second plan before its turn.
        shop.catalogue.withdrawn.add(many.plan(1))
        await many.begin(batch)
        done = await many.finished(batch)
        rows = await many.items(done)
        assert [row.status for row in rows] == [DELIVERED, FAILED, CANCELLED, CANCELLED]
        assert rows[1].code == "PLAN_UNAVAILABLE"
        assert done.status == pb.BATCH_STATUS_PARTIAL
        assert shop.charges == 1


async def test_a_fault_of_another_service_does_not_refuse_a_row(shop: Shop) -> None:
    fault = Failure(Kind.INTERNAL, "INTERNAL", "id 1")
    async with bulk(shop) as many:
        batch = await many.schedule([many.item(quantity=2)])
        shop.catalogue.failure = fault
        await many.begin(batch)
        await shop.databases.until("select tries = 1 from orders.batch_orders")
        shop.catalogue.failure = None
        await shop.databases.admin.execute("update orders.batch_orders set retry_at = now()")
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_COMPLETED
        assert shop.charges == 1


async def test_rows_whose_price_rose_fail_and_are_bought_by_a_retry(shop: Shop) -> None:
    async with bulk(shop) as many:
        shop.catalogue.stored_price = Decimal(1)
        batch = await many.schedule([many.item(quantity=2)])
        assert (await many.get(batch)).status == pb.BATCH_STATUS_SCHEDULED
        shop.catalogue.stored_price = Decimal(2)
        await many.begin(batch)
        done = await many.finished(batch)
        [row] = await many.items(done)
        assert (row.status, row.code) == (FAILED, "PRICE_CHANGED")
        assert shop.charges == 0
        await many.retry(batch)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_a_row_can_not_leave_an_order_that_may_have_bought(shop: Shop) -> None:
    async with bulk(shop) as many:
        batch = await many.finished(await many.create([many.item()]))
        moved = await shop.databases.admin.fetchval(
            """
            with planned as (
                insert into orders.batch_orders (batch_id, n, plan_id, quantity, amount)
                select batch_id, 2, plan_id, quantity, amount from orders.batch_orders returning id
            ) select id from planned
            """
        )
        with pytest.raises(asyncpg.CheckViolationError, match="may have been bought"):
            await shop.databases.admin.execute(
                "update orders.batch_items set batch_order_id = $1", moved
            )
        assert (await many.get(batch)).counts.delivered == 1
