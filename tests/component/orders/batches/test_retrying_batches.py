"""Retries of batches: which rows they buy, and who may request one."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import grpc
import pytest

from kit.rpc.errors import from_error
from kit.values import money, timestamps
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import organizations_pb2
from services.orders.purchase.buyers import Buyers
from tests.component.orders.batches.buying_many import Bulk, bulk, refusal
from tests.component.orders.batches.companies import company, pay_in
from tests.component.orders.limits.test_orders_buyers import anonymous as anonymous_session
from tests.component.orders.shop import Shop

DELIVERED, FAILED = pb.BATCH_ITEM_STATUS_DELIVERED, pb.BATCH_ITEM_STATUS_FAILED


async def test_malformed_rows_are_not_bought_without_their_malformed_part(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.fault(method="POST", path="/orders", status=400)
        nameless = pb.BatchTraveler(email="no address")
        batch = await many.create(
            [many.item(), many.item(esim_id="8944000000000000000"), many.item(traveler=nameless)]
        )
        before = await many.finished(batch)
        assert before.counts.failed == 3
        await many.retry(batch)
        done = await many.finished(batch)
        rows = await many.items(done)
        assert [row.status for row in rows] == [DELIVERED, FAILED, FAILED]
        assert [row.code for row in rows] == ["", "INVALID", "INVALID"]
        assert shop.charges == 1
        assert await refusal(many.retry(batch)) == "NOTHING_TO_RETRY"


async def test_a_row_that_stays_impossible_does_not_stop_the_retry(shop: Shop) -> None:
    async with bulk(shop) as many:
        batch = await many.schedule(
            [many.item(plan=n, quantity=3) for n in range(4)],
            error_policy=pb.BATCH_ERROR_POLICY_STOP_ON_FAILURE,
        )
        shop.catalogue.withdrawn.add(many.plan(1))
        await many.begin(batch)
        await many.finished(batch)
        await many.retry(batch)
        done = await many.finished(batch)
        rows = await many.items(done)
        assert [row.status for row in rows] == [DELIVERED, FAILED, DELIVERED, DELIVERED]
        assert rows[1].code == "PLAN_UNAVAILABLE"
        assert shop.charges == 3


async def test_members_who_send_the_same_batch_with_one_key_buy_it_once(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        await pay_in(many, 10_000)
        many.buyer = acme.manager.metadata
        first = await many.create([many.item()], "sheet")
        many.buyer = acme.owner.metadata
        assert (await many.create([many.item()], "sheet")).id == first.id
        assert await refusal(many.create([many.item(plan=1)], "sheet")) == "IDEMPOTENCY_CONFLICT"
        await many.finished(first)
        assert shop.charges == 1
        # A customer's own keys are others.
        await many.batches.CreateBatch(
            pb.CreateBatchRequest(
                batch=pb.BatchInput(items=[many.item()]), idempotency_key="sheet"
            ),
            metadata=await shop.session("eve@example.com"),
        )


async def test_a_buyer_who_left_the_group_can_not_buy_for_it_by_a_retry(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        await pay_in(many, 10_000)
        group = await _group(many)
        await shop.fault(method="POST", path="/orders", status=400)
        batch = await many.create([many.item()], group_id=group)
        await many.finished(batch)
        await acme.service.RemoveGroupMember(
            organizations_pb2.RemoveGroupMemberRequest(
                group_id=group, user_id=str(acme.buyer.user_id)
            ),
            metadata=acme.owner.metadata,
        )
        assert await refusal(many.retry(batch)) == "NOT_IN_GROUP"
        assert shop.charges == 0
        many.buyer = acme.manager.metadata
        await many.retry(batch)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_who_may_buy_now_counts_for_a_retry(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", status=400)
    async with bulk(shop, buyers=Buyers(anonymous=True)) as many:
        many.buyer = anonymous = await anonymous_session(shop)
        batch = await many.finished(await many.create([many.item()]))
        assert batch.counts.failed == 1
    for rules, reason in (
        (Buyers(service_only=True), "PURCHASES_BY_SERVICE_ONLY"),
        (Buyers(), "ANONYMOUS_SESSION"),
    ):
        async with bulk(shop, buyers=rules) as many:
            many.buyer = anonymous
            assert await refusal(many.retry(batch)) == reason
            many.buyer = await shop.session("eve@example.com")
            assert await refusal(many.retry(batch)) == "BATCH_NOT_FOUND"
    assert shop.charges == 0
    async with bulk(shop, buyers=Buyers(service_only=True)) as many:
        many.buyer = shop.service_key
        await many.retry(batch)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def _group(many: Bulk) -> str:
    """Return a group with the buyer in it."""
    assert many.organization is not None
    acme = many.organization
    made = await acme.service.CreateGroup(
        organizations_pb2.CreateGroupRequest(organization_id=acme.id, name="Sales"),
        metadata=acme.owner.metadata,
    )
    await acme.service.AddGroupMember(
        organizations_pb2.AddGroupMemberRequest(
            group_id=made.group.id, user_id=str(acme.buyer.user_id)
        ),
        metadata=acme.owner.metadata,
    )
    return str(made.group.id)


# The worker locks the batch too, in order to record its end, which is visible before.
ENDED = "select exists (select from orders.batches where finished_at is not null)"
BLOCKED = """
select exists (
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
        and query like '%from orders.batches where id = $1 for update'
)
"""


async def test_a_retry_that_another_one_overtook_changes_nothing(shop: Shop) -> None:
    async with bulk(shop) as many:
        await shop.fault(method="POST", path="/orders", status=400)
        batch = await many.finished(await many.create([many.item(), many.item(plan=1)]))
        await shop.databases.until(ENDED)
        other = await asyncpg.connect(shop.databases.admin_url)
        try:
            transaction = other.transaction()
            await transaction.start()
            await other.execute("select from orders.batches for update")
            retry = asyncio.create_task(refusal(many.retry(batch)))
            await shop.databases.until(BLOCKED)
            # As if the other retry had bought the row.
            await other.execute("update orders.batch_items set reference = 'other'")
            await transaction.commit()
            assert await retry == "BATCH_CHANGED"
        finally:
            await other.close()
        assert (await many.get(batch)).status == pb.BATCH_STATUS_PARTIAL
        await many.retry(batch)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_a_retry_above_what_is_left_of_the_maximum_says_what_can_be_done(shop: Shop) -> None:
    async with bulk(shop) as many:
        shop.catalogue.stored_price = Decimal(1)
        await shop.fault(method="POST", path="/orders", status=400)
        batch = await many.create(
            [many.item(quantity=2)], max_total=money.to_proto(Decimal(2), "USD")
        )
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_FAILED
        shop.catalogue.stored_price = Decimal(2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await many.retry(batch)
        failure = from_error(refused.value)
        assert failure.reason == "MAX_TOTAL_EXCEEDED"
        assert "2 USD are left of the batch's max_total" in failure.message
        assert "create a batch for these rows" in failure.message


async def test_a_retry_of_a_batch_waits_for_its_time(shop: Shop) -> None:
    begins = timestamps.to_proto(datetime.now(UTC) + timedelta(days=1))
    async with bulk(shop) as many:
        batch = await many.create([many.item()], not_before=begins)
        await many.cancel(batch)
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_CANCELLED
        await shop.databases.until(ENDED)
        assert (await many.retry(batch)).status == pb.BATCH_STATUS_SCHEDULED
        waits = "select next_run_at = not_before from orders.batches"
        assert await shop.databases.admin.fetchval(waits)
