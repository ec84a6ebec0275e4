"""Answers of the payment provider that are lost, stored errors, and processes that die between two steps."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import MANUAL, PaidShop, buyer_id
from tests.fixtures.rpc.refusals import refused

INTENTS = "/payment_intents"


@pytest.mark.parametrize("fault", ["cut", "error"])
async def test_a_lost_answer_to_the_start_makes_no_second_intent(
    paid_shop: PaidShop, fault: str
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault(fault, INTENTS, method="POST", effect="done")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        order_id = answer.order.id
        resumed = await service.payments.ResumePayment(
            payments_pb2.ResumePaymentRequest(order_id=order_id), metadata=buyer
        )
        assert resumed.payment.client_secret
        await paid_shop.pay((await paid_shop.payment(order_id))["intent_id"])
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert len(paid_shop.provider.world.intents) == 1
    assert await paid_shop.no_faults_left()


async def test_an_unreachable_payment_provider_delays_the_start(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault("error", INTENTS, method="POST", effect="none", status=503)
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        assert answer.payment.status == payments_pb2.PAYMENT_STATUS_REQUIRES_ACTION
        await paid_shop.due(answer.order.id)
        await paid_shop.shop.databases.until("select intent_id is not null from orders.payments")
    assert len(paid_shop.provider.world.intents) == 1


@pytest.mark.parametrize("fault", ["cut", "error"])
async def test_a_lost_answer_to_the_capture_captures_once(paid_shop: PaidShop, fault: str) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault(fault, f"{INTENTS}/*/capture", method="POST", effect="done")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert await paid_shop.no_faults_left()
    intent = await paid_shop.intent(intent_id)
    assert intent["amount_received"] == intent["amount"]
    captures = await paid_shop.shop.databases.admin.fetchval(
        "select count(*) from orders.ledger_transactions where kind = 'TAKE'"
    )
    assert captures == 1


@pytest.mark.parametrize("fault", ["cut", "error"])
async def test_a_lost_answer_to_the_cancellation_releases_the_order(
    paid_shop: PaidShop, fault: str
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault(fault, f"{INTENTS}/*/cancel", method="POST", effect="done")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order_id), metadata=buyer
        )
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.no_faults_left()
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"


@pytest.mark.parametrize("fault", ["cut", "error"])
async def test_a_lost_answer_to_the_end_of_a_page_releases_the_order(
    paid_shop: PaidShop, fault: str
) -> None:
    """A stored error would come again for a day, while the payment stayed open."""
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault(fault, "/checkout/sessions/*/expire", method="POST", effect="done")
    async with paid_shop.open() as service:
        wanted = paid_shop.request(return_url="https://shop.example/paid")
        order = (await service.orders.CreateOrder(wanted, metadata=buyer)).order
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer
        )
        await paid_shop.becomes(order.id, "RELEASED")
    assert await paid_shop.no_faults_left()
    [session] = paid_shop.provider.world.sessions.values()
    assert session.status == "expired"


# Each puts the database into the state in which a process may have died, after the customer has paid.
LEFT = {
    "started, nothing stored": "update orders.payments set intent_id = null",
    "paid, not observed": "update orders.payments set run = gen_random_uuid(), next_run_at = now()",
}


@pytest.mark.parametrize("statement", LEFT.values(), ids=LEFT.keys())
async def test_another_process_continues(paid_shop: PaidShop, statement: str) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
    await paid_shop.pay(intent_id)
    admin = paid_shop.shop.databases.admin
    await admin.execute("set session_replication_role = replica")
    await admin.execute(statement)
    await admin.execute("set session_replication_role = default")
    await paid_shop.due(order_id)
    async with paid_shop.open():
        await paid_shop.reaches(order_id, "COMPLETED")
    assert len(paid_shop.provider.world.intents) == 1
    assert paid_shop.shop.charges == 1


async def test_captured_but_not_recorded(paid_shop: PaidShop) -> None:
    """As if the process had died between the capture and its record."""
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    shop.esims.may_answer.clear()
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await shop.databases.until("select recovery_point = 'PLACED' from orders.esim_orders")
        async with shop.http.post(
            f"{paid_shop.provider.url}/v1{INTENTS}/{intent_id}/capture",
            headers={"Authorization": f"Bearer {paid_shop.provider.secret_key}"},
        ) as answer:
            assert answer.status == 200
        shop.esims.may_answer.set()
        await paid_shop.reaches(order_id, "COMPLETED")
    intent = await paid_shop.intent(intent_id)
    assert intent["amount_received"] == intent["amount"]


async def test_two_processes_look_at_one_payment_once(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as one, paid_shop.open() as two:
        order_id, intent_id = await paid_shop.bought(one, buyer)
        await paid_shop.pay(intent_id)
        wanted = payments_pb2.ResumePaymentRequest(order_id=order_id)

        async def resume(service: Any) -> None:
            await service.payments.ResumePayment(wanted, metadata=buyer)

        await asyncio.gather(*(resume(s) for s in (one, two) * 5), return_exceptions=True)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert paid_shop.shop.charges == 1
    steps = await paid_shop.shop.databases.admin.fetchval(
        "select count(*) from orders.order_events where reason = 'authorized'"
    )
    assert steps == 1


async def test_a_bad_payment_does_not_block_others(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        bad, bad_intent = await paid_shop.bought(service, buyer)
        good, intent_id = await paid_shop.bought(service, buyer, idempotency_key="good")
        await paid_shop.fault("error", f"{INTENTS}/{bad_intent}", count=0, effect="none")
        await paid_shop.pay(intent_id)
        await paid_shop.due(bad)
        await paid_shop.due(good)
        await paid_shop.reaches(good, "COMPLETED")
        assert await paid_shop.shop.stored_status(bad) == "PROCESSING"


async def test_a_manual_payment_is_recorded_by_the_finance_staff(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    finance = await shop.session("f@example.com", role="finance")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(MANUAL), metadata=buyer)
        assert answer.payment.status == payments_pb2.PAYMENT_STATUS_REQUIRES_ACTION
        assert not answer.payment.client_secret
        wanted = payments_pb2.MarkOrderPaidRequest(
            order_id=answer.order.id, amount=answer.payment.amount, reference="transfer 12"
        )
        mark = service.payments.MarkOrderPaid
        assert await refused(mark(wanted, metadata=buyer)) == "FORBIDDEN"
        await mark(wanted, metadata=finance)
        await paid_shop.reaches(answer.order.id, "COMPLETED")
        assert await refused(mark(wanted, metadata=finance)) == "PAYMENT_NOT_OPEN"
        got = payments_pb2.ListPaymentsRequest(statuses=[payments_pb2.PAYMENT_STATUS_PAID])
        [listed] = (await service.payments.ListPayments(got, metadata=finance)).payments
    assert listed.order_id == answer.order.id
    entries = await shop.databases.admin.fetch(
        "select account from orders.ledger_entries where account like 'clearing:manual'"
    )
    assert len(entries) == 1


async def test_a_refused_start_fails_the_order(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.fault("error", INTENTS, method="POST", effect="none", status=400, count=0)
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        await paid_shop.reaches(answer.order.id, "FAILED")
        await paid_shop.becomes(answer.order.id, "RELEASED")
    assert await paid_shop.failure(answer.order.id) == "PAYMENT_FAILED"
    assert paid_shop.shop.charges == 0


@pytest.mark.parametrize("return_url", ["", "https://shop.example/paid"])
async def test_an_unknown_payment_of_a_failed_order_is_released_after_two_days(
    paid_shop: PaidShop, return_url: str
) -> None:
    """As with the key of another account."""
    buyer, customer = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer, "5")
    async with paid_shop.open() as service:
        order_id, _ = await paid_shop.bought(service, buyer, use_wallet=True, return_url=return_url)
        assert await paid_shop.wallet(customer) == (0, 5)
        world = paid_shop.provider.world
        world.intents.clear()
        world.sessions.clear()
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order_id), metadata=buyer
        )
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.shop.databases.until(
            "select run is null and next_run_at > now() + interval '30 seconds' from orders.payments"
        )
        assert (await paid_shop.payment(order_id))["state"] == "AWAITING"
        await paid_shop.set_payment(order_id, created_at=datetime.now(UTC) - timedelta(days=3))
        await paid_shop.becomes(order_id, "RELEASED")
    assert "does not know" in (await paid_shop.payment(order_id))["detail"]
    assert await paid_shop.wallet(customer) == (5, 0)


async def test_an_intent_that_the_payment_provider_ended_fails_the_order(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        async with shop.http.post(
            f"{paid_shop.provider.url}/v1{INTENTS}/{intent_id}/cancel",
            headers={"Authorization": f"Bearer {paid_shop.provider.secret_key}"},
        ) as answer:
            assert answer.status == 200
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
    assert await paid_shop.failure(order_id) == "PAYMENT_FAILED"


async def test_unpaid_orders_use_up_the_limits_of_the_shop_for_an_hour_only(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    one, two = await shop.session("b@example.com"), await shop.session("c@example.com")
    async with paid_shop.open(purchase_limits={"shop_day_orders": Decimal(1)}) as service:
        await service.orders.CreateOrder(paid_shop.request(MANUAL), metadata=one)
        call = service.orders.CreateOrder(paid_shop.request(MANUAL), metadata=two)
        assert await refused(call) == "PURCHASE_LIMIT_SHOP_DAY_ORDERS"
        await shop.databases.admin.execute(
            "update orders.esim_orders set created_at = now() - interval '61 minutes'"
        )
        await service.orders.CreateOrder(paid_shop.request(MANUAL), metadata=two)


async def test_an_unpaid_manual_order_ends_after_its_days(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(MANUAL), metadata=buyer)
        past = datetime.now(UTC) - timedelta(seconds=1)
        await paid_shop.set_payment(answer.order.id, expires_at=past)
        await paid_shop.reaches(answer.order.id, "FAILED")
        await paid_shop.becomes(answer.order.id, "RELEASED")
    assert await paid_shop.failure(answer.order.id) == "PAYMENT_EXPIRED"
