"""Orders that a service left in any intermediate state are recovered."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from services.orders import store
from services.orders.operators import history_store
from services.orders.order import OrderStatus
from services.orders.recovery import lease_store
from tests.component.orders.cancellation.held_provider import through_proxy
from tests.component.orders.shop import Shop, outcomes, reaches, request
from tests.fixtures.patience import until

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
PROCESSING = orders_pb2.ORDER_STATUS_PROCESSING


async def left_at(shop: Shop, *statements: str) -> str:
    """Put a finished order back into the state that a dying process would have left."""
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    admin = shop.databases.admin
    # Without triggers and the constraints that they enforce, for these statements only.
    await admin.execute("set session_replication_role = replica")
    for statement in statements:
        await admin.execute(statement)
    await admin.execute(
        "update orders.esim_orders set status = 'PROCESSING', next_run_at = now(),"
        " lease_owner = gen_random_uuid(), leased_until = now()"
    )
    await admin.execute("set session_replication_role = default")
    shop.esims.registered.clear()
    return str(answer.order.id)


NO_ATTEMPTS = "delete from orders.order_attempts"
OPEN_ATTEMPTS = "update orders.order_attempts set outcome = 'OPEN', ended_at = null"
NO_ESIMS = "delete from orders.order_esims"
AT_PLACED = "update orders.esim_orders set status = 'PROCESSING', recovery_point = 'PLACED'"
NO_ANSWER = (
    "update orders.esim_orders set status = 'PROCESSING', recovery_point = 'ATTEMPTED',"
    " provider_reference = null, placed_at = null"
)
AT_CLAIMED = "update orders.esim_orders set recovery_point = 'CLAIMED'"


@pytest.mark.parametrize(
    ("statements", "charges"),
    [
        # Never requested: bought now, beside the purchase that created this row.
        ([NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED], 2),
        # Requested, but the answer was never recorded: it is found.
        ([NO_ESIMS, OPEN_ATTEMPTS, NO_ANSWER], 1),
        ([NO_ESIMS, AT_PLACED], 1),
        ([AT_PLACED], 1),
    ],
    ids=["claimed", "attempted", "placed", "delivered"],
)
async def test_an_order_resumes_from_every_recovery_point(
    shop: Shop, statements: list[str], charges: int
) -> None:
    order_id = await left_at(shop, *statements)
    async with shop.open():
        await reaches(shop, order_id, "COMPLETED")
    assert len(shop.esims.registered[order_id].esims) == 1
    assert shop.charges == charges


async def test_an_abandoned_claim_is_not_bought(shop: Shop) -> None:
    order_id = await left_at(shop, NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED)
    await shop.databases.admin.execute(
        "update orders.esim_orders set created_at = now() - interval '61 minutes'"
    )
    async with shop.open():
        await reaches(shop, order_id, "FAILED")
    assert shop.charges == 1  # of the purchase that created the row


async def test_a_repeated_call_does_not_hasten_a_scheduled_retry(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "600"})
    async with shop.open() as orders:
        for _ in range(3):
            answer = await orders.CreateOrder(request(shop), metadata=buyer)
            assert answer.order.status == PROCESSING
    assert await outcomes(shop) == ["NOT_SENT"]


async def test_an_order_that_is_never_accepted_fails_after_its_attempts(
    shop: Shop,
) -> None:
    order_id = await left_at(shop, NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED)
    # The first four of five attempts, without their pauses.
    await shop.databases.admin.execute(
        "insert into orders.order_attempts (order_id, bundle_name, quantity, outcome, ended_at)"
        " select id, bundle_name, quantity, 'NOT_SENT', now()"
        " from orders.esim_orders, generate_series(1, 4)"
    )
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "1"})
    async with shop.open():
        await reaches(shop, order_id, "FAILED")
    assert "not been charged" in (await shop.row(order_id))["status_reason"]
    assert shop.charges == 1  # of the purchase that created the row


async def test_esims_that_are_never_delivered_go_to_review(shop: Shop) -> None:
    await shop.fault(method="GET", path="/orders/*", status=400, count=0)
    order_id = await left_at(shop, NO_ESIMS, AT_PLACED)
    await shop.databases.admin.execute(
        "update orders.esim_orders set placed_at = now() - interval '31 minutes'"
    )
    async with shop.open():
        await reaches(shop, order_id, "NEEDS_REVIEW")


async def test_esims_of_another_customer_go_to_review(shop: Shop) -> None:
    shop.esims.failure = Failure(Kind.CONFLICT, "ICCID_OF_ANOTHER_CUSTOMER", "not theirs")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert await shop.stored_status(answer.order.id) == "NEEDS_REVIEW"
    assert shop.charges == 1


async def test_an_order_resumes_after_registration(shop: Shop) -> None:
    order_id = await left_at(shop)
    async with shop.open():
        await reaches(shop, order_id, "COMPLETED")
    assert shop.esims.registered == {}
    assert shop.charges == 1


async def test_an_order_under_another_processs_lease_is_left_alone(shop: Shop) -> None:
    order_id = await left_at(shop)
    await shop.databases.admin.execute(
        "update orders.esim_orders set leased_until = now() + interval '1 hour'"
    )
    async with shop.open(purchase_wait=0.5) as orders:
        again = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert again.repeated_request
    assert again.order.id == order_id
    assert again.order.status == PROCESSING


async def test_two_services_on_one_database_buy_once_and_both_return_the_order(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=1)
    buyer = await shop.session("b@example.com")
    async with shop.open() as one, shop.open() as two:
        answers = await asyncio.gather(
            *(o.CreateOrder(request(shop), metadata=buyer) for o in (one, two))
        )
    assert len({answer.order.id for answer in answers}) == 1
    assert [answer.order.status for answer in answers] == [COMPLETED, COMPLETED]
    assert shop.charges == 1


async def test_a_run_that_ends_preserves_a_retry_requested_meanwhile(shop: Shop) -> None:
    """As when an operator resumes an order at the moment in which it goes into review."""
    order_id = UUID(await left_at(shop, NO_ESIMS, AT_PLACED))
    run, lease = uuid4(), timedelta(minutes=2)
    async with shop.databases.open("orders") as database:
        async with database.system() as connection:
            order = await lease_store.take_lease(connection, order_id, run, lease)
            assert order is not None
            order = await store.step(
                connection,
                order,
                run,
                lease,
                event="needs review",
                status=OrderStatus.NEEDS_REVIEW,
                actor="test",
            )
        assert await turn(shop) == (None, None)
        async with database.system() as connection:
            await history_store.end_review(
                connection,
                order,
                status=OrderStatus.PROCESSING,
                point=order.recovery_point,
                message="",
                failure="",
                actor="operator",
                event="resumed",
                note="",
            )
            await lease_store.release(connection, order_id, run, timedelta(minutes=10))
        owner, due = await turn(shop)
        assert (owner, due <= datetime.now(UTC)) == (None, True)
        async with database.system() as connection:
            assert await lease_store.take_lease(connection, order_id, uuid4(), lease) is not None


async def test_a_run_that_was_taken_over_while_it_read_leaves_the_order_alone(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    buyer = await shop.session("b@example.com")
    admin = shop.databases.admin
    # So that only the purchase lists the provider's orders.
    await admin.execute("update orders.provider_audits set due_at = now() + interval '1 day'")
    async with through_proxy(shop) as (orders, provider):
        held = provider.hold("GET", "/orders")
        slow = asyncio.ensure_future(orders.CreateOrder(request(shop), metadata=buyer))
        await held.arrived.wait()
        await admin.execute("update orders.esim_orders set leased_until = now()")
        async with shop.open():
            order_id = await admin.fetchval("select id::text from orders.esim_orders")
            await reaches(shop, order_id, "COMPLETED")
        held.release.set()
        await until(lambda: "was taken over by another run" in caplog.text)
        assert (await slow).order.status == COMPLETED
    assert "failed and is retried later" not in caplog.text
    assert await outcomes(shop) == ["PLACED"]
    assert shop.charges == 1


async def turn(shop: Shop) -> tuple[Any, Any]:
    """Return the lease owner and the due time of the only order."""
    row = await shop.databases.admin.fetchrow(
        "select lease_owner, next_run_at from orders.esim_orders"
    )
    assert row is not None
    return row["lease_owner"], row["next_run_at"]
