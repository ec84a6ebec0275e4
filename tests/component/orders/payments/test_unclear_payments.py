"""Holds that end before a purchase is settled."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from protos.common.v1 import money_pb2
from protos.orders.v1 import orders_pb2, payments_pb2
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.settings import AtExpiry
from tests.component.orders.payments.paid_shop import Open, PaidShop
from tests.component.orders.shop import Metadata
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import refused

SOON = timedelta(hours=23)


async def unclear(
    paid_shop: PaidShop, service: Open, buyer: Metadata, *, captured: int | None = None
) -> tuple[str, str]:
    """Return a paid order whose purchase has an unclear outcome, and its intent.

    `captured` is what somebody captures in the dashboard before the hold is about to end.
    """
    # Not of the validation, which comes first.
    await paid_shop.shop.fault(method="POST", path="/orders", drop=True, effect="done", skip=1)
    await paid_shop.shop.fault(method="GET", path="/orders", status=503, count=0)
    order_id, intent_id = await paid_shop.bought(service, buyer)
    await paid_shop.pay(intent_id)
    await paid_shop.due(order_id)
    await paid_shop.shop.databases.until(
        "select recovery_point = 'ATTEMPTED' from orders.esim_orders"
    )
    if captured is not None:
        path = f"payment_intents/{intent_id}/capture"
        await paid_shop.dashboard(path, amount_to_capture=captured)
    await paid_shop.set_payment(order_id, capture_before=datetime.now(UTC) + SOON)
    await paid_shop.reaches(order_id, "NEEDS_REVIEW")
    return order_id, intent_id


async def resolve(service: Open, order_id: str, by: Metadata, **how: Any) -> Any:
    """Settle an order as soon as the provider is called again, after the failures that made it unclear."""
    wanted = orders_pb2.ResolveOrderRequest(order_id=order_id, note="asked them", **how)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await service.orders.ResolveOrder(wanted, metadata=by)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(0.1)


async def reference(paid_shop: PaidShop) -> str:
    """Return the reference of the only order at the provider."""
    [found] = paid_shop.shop.sandbox.world.orders
    return str(found.reference)


async def test_a_hold_that_ends_is_captured_and_given_back_if_nothing_was_bought(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open() as service:
        order_id, intent_id = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        assert (await paid_shop.intent(intent_id))["status"] == "succeeded"
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
    row = await paid_shop.payment(order_id)
    assert row["refunded"] == row["captured"] == row["amount"]
    assert await shop.databases.admin.fetchval("select reason from orders.refunds") == (
        "NOT_DELIVERED"
    )


async def test_a_captured_hold_pays_an_order_that_was_bought_after_all(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open() as service:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        await resolve(service, order_id, admin, placed_as=await reference(paid_shop))
        await paid_shop.reaches(order_id, "COMPLETED")
    assert (await paid_shop.payment(order_id))["state"] == "CAPTURED"
    assert len([i for i in paid_shop.provider.world.charges.values() if i.captured]) == 1


async def test_a_captured_part_of_a_hold_is_not_booked_as_the_whole(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open() as service:
        order_id, _ = await unclear(paid_shop, service, buyer, captured=100)
        await shop.databases.until("select detail like '%does not match%' from orders.payments")
        row = await paid_shop.payment(order_id)
        assert (row["state"], row["captured"]) == ("AUTHORIZED", 0)
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
    [refund] = paid_shop.provider.world.refunds.values()
    assert refund.amount == 100
    assert await shop.databases.admin.fetch("select from orders.ledger_transactions") == []


async def test_an_order_whose_payment_was_refunded_is_not_delivered(paid_shop: PaidShop) -> None:
    """A fraud warning comes after the hold was captured early, while the order is in review."""
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    disputes = DisputeSettings(suspend=False, refund_warnings=True, poll_every=0.2)
    async with paid_shop.open(disputes=disputes) as service:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        charge_id = (await paid_shop.payment(order_id))["charge_id"]
        await paid_shop.provider.control("POST", f"/charges/{charge_id}/early-fraud-warning", {})
        await shop.databases.until(
            "select coalesce((select state = 'SUCCEEDED' from orders.refunds), false)"
        )
        placed = await reference(paid_shop)
        call: Any = resolve(service, order_id, admin, placed_as=placed)
        assert await refused(call) == "PAYMENT_REFUNDED"
        resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
        call = service.orders.ResumeOrder(resume, metadata=admin)
        assert await refused(call) == "PAYMENT_REFUNDED"
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
    row = await paid_shop.payment(order_id)
    assert row["refunded"] == row["captured"] == row["amount"]
    assert len(paid_shop.provider.world.refunds) == 1


async def test_a_hold_that_is_released_has_to_be_paid_again(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    cancel = "/payment_intents/*/cancel"
    await paid_shop.fault("error", cancel, method="POST", effect="none", status=503, count=0)
    async with paid_shop.open(at_expiry=AtExpiry.RELEASE) as service:
        order_id, intent_id = await unclear(paid_shop, service, buyer)
        # It is recorded before the hold ends, so that the order can't be resumed in between.
        await paid_shop.becomes(order_id, "RELEASED")
        placed = await reference(paid_shop)
        call: Any = resolve(service, order_id, admin, placed_as=placed)
        assert await refused(call) == "ORDER_NOT_PAID"
        resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
        call = service.orders.ResumeOrder(resume, metadata=admin)
        assert await refused(call) == "ORDER_NOT_PAID"
        assert (await paid_shop.intent(intent_id))["status"] == "requires_capture"
        await paid_shop.provider.control("DELETE", "/faults")
        await paid_shop.due(order_id)
        await paid_shop.shop.databases.until(
            "select next_run_at is null and run is null from orders.payments"
        )
        assert (await paid_shop.intent(intent_id))["status"] == "canceled"

        got = payments_pb2.BatchGetPaymentsRequest(order_ids=[order_id])
        [seen] = (await service.payments.BatchGetPayments(got, metadata=admin)).payments
        wanted = payments_pb2.MarkOrderPaidRequest(
            order_id=order_id,
            amount=money_pb2.Money(currency_code="USD", units=1),
            reference="transfer 77",
        )
        mark = service.payments.MarkOrderPaid
        assert await refused(mark(wanted, metadata=admin)) == "AMOUNT_DIFFERS"
        wanted.amount.CopyFrom(seen.amount)
        await mark(wanted, metadata=admin)
        assert await refused(mark(wanted, metadata=admin)) == "PAYMENT_NOT_OPEN"
        await resolve(service, order_id, admin, placed_as=placed)
        await paid_shop.reaches(order_id, "COMPLETED")
    row = await paid_shop.payment(order_id)
    assert (row["state"], row["reference"]) == ("CAPTURED", "transfer 77")


async def test_a_hold_that_has_ended_sends_a_delivered_order_to_review(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    shop.esims.may_answer.clear()
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await shop.databases.until("select recovery_point = 'PLACED' from orders.esim_orders")
        await paid_shop.provider.control("POST", "/clock/advance", {"days": 8})
        assert (await paid_shop.intent(intent_id))["status"] == "canceled"
        shop.esims.may_answer.set()
        await paid_shop.reaches(order_id, "NEEDS_REVIEW")
        row = await paid_shop.payment(order_id)
        assert row["state"] == "RELEASED"
        resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
        assert await refused(service.orders.ResumeOrder(resume, metadata=admin)) == "ORDER_NOT_PAID"
        assert "mark-paid" in (await shop.row(order_id))["operator_detail"]

        got = payments_pb2.BatchGetPaymentsRequest(order_ids=[order_id])
        [seen] = (await service.payments.BatchGetPayments(got, metadata=admin)).payments
        await service.payments.MarkOrderPaid(
            payments_pb2.MarkOrderPaidRequest(
                order_id=order_id, amount=seen.amount, reference="paid in the shop"
            ),
            metadata=admin,
        )
        await service.orders.ResumeOrder(
            orders_pb2.ResumeOrderRequest(order_id=order_id), metadata=admin
        )
        await paid_shop.reaches(order_id, "COMPLETED")
