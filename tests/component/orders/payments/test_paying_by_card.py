"""Orders that are paid by card: bought once they are authorized, and captured once they are delivered."""

import pytest

from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import DECLINED, Error, PaidShop
from tests.component.orders.shop import reason_of, request

PROCESSING = orders_pb2.ORDER_STATUS_PROCESSING


async def test_an_order_is_bought_once_it_is_authorized_and_captured_once_it_is_delivered(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        order_id, payment = answer.order.id, answer.payment
        assert answer.order.status == PROCESSING
        assert answer.order.has_payment
        assert payment.status == payments_pb2.PAYMENT_STATUS_REQUIRES_ACTION
        assert payment.client_secret.startswith("pi_")
        assert payment.HasField("expires_at")
        assert not payment.intent_id  # for the staff
        row = await paid_shop.payment(order_id)
        assert row["requested_at"] is not None
        assert shop.charges == 0

        await paid_shop.pay(row["intent_id"])
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
        intent = await paid_shop.intent(row["intent_id"])
        assert intent["status"] == "succeeded"
        assert shop.charges == 1
        got = await service.payments.BatchGetPayments(
            payments_pb2.BatchGetPaymentsRequest(order_ids=[order_id]), metadata=buyer
        )
    [shown] = got.payments
    assert shown.status == payments_pb2.PAYMENT_STATUS_PAID
    assert shown.captured == shown.amount == answer.order.total_price
    assert not shown.client_secret
    assert not shown.HasField("expires_at")
    assert shown.card_last4 == "4242"
    posted = await shop.databases.admin.fetch("select kind from orders.ledger_transactions")
    assert {r["kind"] for r in posted} == {"TAKE", "SALE", "COST"}


async def test_an_order_without_a_payment_is_refused(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        with pytest.raises(Error) as refused:
            await service.orders.CreateOrder(request(paid_shop.shop), metadata=buyer)
    assert reason_of(refused.value) == "PAYMENT_REQUIRED"


async def test_a_card_that_is_declined_five_times_fails_the_order(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        order_id = answer.order.id
        intent_id = (await paid_shop.payment(order_id))["intent_id"]
        for _ in range(5):
            await paid_shop.pay(intent_id, DECLINED)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert (await paid_shop.shop.row(order_id))["failure_reason"] == "CARD_DECLINED"
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"
    assert paid_shop.shop.charges == 0
