"""Orders that are paid by card: bought once they are authorized, and captured once they are delivered."""

from decimal import Decimal

import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import DECLINED, GOOD, PaidShop
from tests.fixtures.rpc.refusals import refused

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


async def test_a_closed_browser_and_a_lost_event_delay_the_delivery_only(
    paid_shop: PaidShop,
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        first = (await paid_shop.payment(order_id))["next_run_at"]
        await paid_shop.pay(intent_id)
    # Another process polls; nobody sends an event.
    assert first is not None
    await paid_shop.due(order_id)
    async with paid_shop.open():
        await paid_shop.reaches(order_id, "COMPLETED")


# Records the pause that follows each look, when the look ends.
PAUSES = """
create table public.pauses (seconds float);
create function public.note_pause() returns trigger language plpgsql security definer as $$ begin
    insert into public.pauses values (extract(epoch from new.next_run_at - now())); return new;
end $$;
create trigger note_pause after update on orders.payments for each row
    when (old.run is not null and new.run is null and new.next_run_at > now())
    execute function public.note_pause();
"""


async def test_polls_are_never_more_than_two_minutes_apart(paid_shop: PaidShop) -> None:
    databases = paid_shop.shop.databases
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, _ = await paid_shop.bought(service, buyer)
        await databases.admin.execute(PAUSES)
        for looks in range(1, 5):
            await paid_shop.due(order_id)
            await databases.until("select count(*) >= $1 from public.pauses", looks)
        pauses = [row["seconds"] for row in await databases.admin.fetch("table public.pauses")]
    assert 20 < pauses[0] <= 30
    assert all(pause <= 90 for pause in pauses)


async def test_a_resumed_payment_has_the_same_intent(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer, other = await shop.session("b@example.com"), await shop.session("c@example.com")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        wanted = payments_pb2.ResumePaymentRequest(order_id=answer.order.id)
        again = await service.payments.ResumePayment(wanted, metadata=buyer)
        assert again.payment.client_secret == answer.payment.client_secret
        repeated = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        assert repeated.repeated_request
        assert repeated.payment.client_secret == answer.payment.client_secret
        stranger = service.payments.ResumePayment(wanted, metadata=other)
        assert await refused(stranger) == "ORDER_NOT_FOUND"

        # Paid, and its event has not come: to resume acts upon it.
        row = await paid_shop.payment(answer.order.id)
        await paid_shop.pay(row["intent_id"])
        shop.esims.may_answer.clear()  # it is captured once the eSIMs are registered
        resumed = await service.payments.ResumePayment(wanted, metadata=buyer)
        assert resumed.payment.status == payments_pb2.PAYMENT_STATUS_AUTHORIZED
        assert not resumed.payment.client_secret
        shop.esims.may_answer.set()
        await paid_shop.reaches(answer.order.id, "COMPLETED")
        assert await refused(service.payments.ResumePayment(wanted, metadata=buyer)) == (
            "PAYMENT_NOT_OPEN"
        )
    assert len(paid_shop.provider.world.intents) == 1


async def test_the_hosted_page(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        wanted = paid_shop.request(return_url="https://shop.example/back")
        answer = await service.orders.CreateOrder(wanted, metadata=buyer)
        assert answer.payment.redirect_url.startswith("http")
        assert not answer.payment.client_secret
        order_id = answer.order.id
        row = await paid_shop.payment(order_id)
        assert row["session_id"]
        assert row["hosted"]
        assert row["intent_id"] is None
        await paid_shop.provider.control(
            "POST", f"/checkout_sessions/{row['session_id']}/pay", {"card": "4242424242424242"}
        )
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
    row = await paid_shop.payment(order_id)
    assert (await paid_shop.intent(row["intent_id"]))["status"] == "succeeded"


@pytest.mark.parametrize("hosted", [True, False])
async def test_a_card_that_was_saved_is_offered_at_the_next_purchase(
    paid_shop: PaidShop, hosted: bool
) -> None:
    """Stripe's page offers only cards of the customer that the session names, as far as its filter allows."""
    page = {"return_url": "https://shop.example/back"}
    buyer = await paid_shop.shop.session("b@example.com")
    other = await paid_shop.shop.session("c@example.com")
    world = paid_shop.provider.world
    async with paid_shop.open() as service:
        saving = page if hosted else {}
        order_id, intent_id = await paid_shop.bought(
            service, buyer, save_payment_method=True, idempotency_key="1", **saving
        )
        if hosted:
            session_id = (await paid_shop.payment(order_id))["session_id"]
            path = f"/checkout_sessions/{session_id}/pay"
            await paid_shop.provider.control("POST", path, {"card": GOOD})
        else:
            await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
        [saved] = [one for one in world.methods.values() if one.customer]

        order_id, _ = await paid_shop.bought(service, buyer, idempotency_key="2", **page)
        session = world.sessions[(await paid_shop.payment(order_id))["session_id"]]
        assert session.customer == saved.customer
        assert (
            saved.to_json()["allow_redisplay"]
            in (session.to_json()["saved_payment_method_options"]["allow_redisplay_filters"])
        )
        assert "setup_future_usage" not in session.payment_intent_data

        order_id, _ = await paid_shop.bought(service, other, idempotency_key="3", **page)
        assert world.sessions[(await paid_shop.payment(order_id))["session_id"]].customer is None


async def test_a_customer_pays_although_their_record_at_the_payment_provider_is_gone(
    paid_shop: PaidShop,
) -> None:
    """It was deleted there, or belongs to the test mode, which the shop has left."""
    buyer = await paid_shop.shop.session("b@example.com")
    world = paid_shop.provider.world
    async with paid_shop.open() as service:
        await paid_shop.bought(service, buyer, save_payment_method=True, idempotency_key="1")
        world.customers.clear()
        order_id, intent_id = await paid_shop.bought(
            service, buyer, save_payment_method=True, idempotency_key="2"
        )
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert not await paid_shop.shop.databases.admin.fetch("select from orders.payment_customers")


async def test_a_failed_purchase_releases_the_hold(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.shop.fault(method="POST", path="/orders", status=400)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"


async def test_a_failed_purchase_is_refunded_if_the_method_has_no_hold(
    paid_shop: PaidShop,
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    await paid_shop.shop.fault(method="POST", path="/orders", status=400)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        # As for a method without holds.
        paid_shop.provider.world.intents[intent_id].capture_method = "automatic"
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    row = await paid_shop.payment(order_id)
    assert row["captured"] == row["refunded"] == row["amount"]
    [refund] = await paid_shop.shop.databases.admin.fetch("select * from orders.refunds")
    assert (refund["reason"], refund["destination"]) == ("NOT_DELIVERED", "CARD")
    reason = (await paid_shop.shop.row(order_id))["status_reason"]
    assert "goes back" in reason
    assert "not been charged" not in reason


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "javascript:alert(1)",
        "https://user@shop.example/",
        "/back",
        "https://shop.example/a b",
        "data:text/html,x",
    ],
)
async def test_a_return_url_leads_back_to_a_shop(paid_shop: PaidShop, url: str) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        call = service.orders.CreateOrder(paid_shop.request(return_url=url), metadata=buyer)
        assert await refused(call) == "INVALID_ARGUMENT"


async def test_the_total_has_the_digits_of_its_currency_and_stays(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    shop.catalogue.stored_price = Decimal("3.141")
    bundle = shop.catalogue.bundles[shop.plan_id]
    buyer = await shop.session("b@example.com")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        order_id = answer.order.id
        assert money.from_proto(answer.order.total_price) == Decimal("3.15")
        assert money.from_proto(answer.payment.amount) == Decimal("3.15")
        await paid_shop.pay((await paid_shop.payment(order_id))["intent_id"])
        await paid_shop.due(order_id)
        expected = "COMPLETED" if bundle.price <= Decimal("3.15") else "FAILED"
        await paid_shop.reaches(order_id, expected)
    row = await shop.row(order_id)
    assert row["total_price"] == Decimal("3.15")


async def test_a_cost_above_what_was_paid_fails_the_order_before_it_is_bought(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    shop.catalogue.stored_price = Decimal("0.75")  # the provider's own price is higher
    buyer = await shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PRICE_CHANGED"
    assert shop.charges == 0
