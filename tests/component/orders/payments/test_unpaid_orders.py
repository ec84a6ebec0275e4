"""Orders that are not paid: they expire, are cancelled, or are paid in the last moment."""

from datetime import UTC, datetime, timedelta

from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import WALLET, PaidShop
from tests.fixtures.rpc.refusals import failure_of, refused


async def test_an_unpaid_order_expires_with_its_intent_or_session(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        hosted, _ = await paid_shop.bought(
            service, buyer, return_url="http://localhost:3000/", idempotency_key="hosted"
        )
        for one in (order_id, hosted):
            await paid_shop.set_payment(one, expires_at=past)
            await paid_shop.reaches(one, "FAILED")
            await paid_shop.becomes(one, "RELEASED")
            assert await paid_shop.failure(one) == "PAYMENT_EXPIRED"
        assert (await paid_shop.pay(intent_id))["error"]
    session_id = (await paid_shop.payment(hosted))["session_id"]
    assert paid_shop.provider.world.sessions[session_id].status == "expired"
    assert paid_shop.shop.charges == 0


async def test_an_order_that_is_paid_in_the_moment_of_its_expiry_is_bought(
    paid_shop: PaidShop,
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        hosted, _ = await paid_shop.bought(
            service, buyer, return_url="http://localhost:3000/", idempotency_key="hosted"
        )
        await paid_shop.pay(intent_id)
        session_id = (await paid_shop.payment(hosted))["session_id"]
        await paid_shop.provider.control(
            "POST", f"/checkout_sessions/{session_id}/pay", {"card": "4242424242424242"}
        )
        for one in (order_id, hosted):
            await paid_shop.set_payment(one, expires_at=past)
            await paid_shop.reaches(one, "COMPLETED")


async def test_a_customer_cancels_an_unpaid_order_at_once(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        # Paid in the same moment: the hold is released.
        await paid_shop.pay(intent_id)
        answer = await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order_id), metadata=buyer
        )
        assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
        assert answer.order.failure_reason == "CANCELLED_BY_CUSTOMER"
        assert "not been charged" in answer.message
        await paid_shop.becomes(order_id, "RELEASED")
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"
    assert paid_shop.shop.charges == 0


async def test_another_method_for_an_unpaid_order_is_a_conflict(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        await paid_shop.bought(service, buyer)
        call = service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
        assert await refused(call) == "IDEMPOTENCY_CONFLICT"


async def test_no_other_payment_is_recorded_while_the_customer_may_pay_by_card(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    finance = await shop.session("f@example.com", role="finance")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        wanted = payments_pb2.MarkOrderPaidRequest(
            order_id=answer.order.id, amount=answer.payment.amount, reference="transfer 12"
        )
        mark = service.payments.MarkOrderPaid
        waits = await failure_of(mark(wanted, metadata=finance))
        cancel = orders_pb2.CancelOrderRequest(order_id=answer.order.id)
        await service.orders.CancelOrder(cancel, metadata=buyer)
        ended = await failure_of(mark(wanted, metadata=finance))
    assert (waits.reason, ended.reason) == ("PAYMENT_NOT_OPEN", "PAYMENT_NOT_OPEN")
    assert "waits for its payment by card" in waits.message
    assert "MANUAL" in waits.message
    assert "released" in ended.message
