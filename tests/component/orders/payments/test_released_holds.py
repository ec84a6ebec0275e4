"""Holds that are released during a review, even if they are captured at the payment provider."""

from dataclasses import replace
from uuid import UUID

import pytest

from protos.orders.v1 import payments_pb2
from services.orders.payment import PaymentState
from services.orders.payments import store
from services.orders.payments.holds import Holds
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.settings import AtExpiry
from services.orders.payments.start import Starts
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from services.orders.payments.taking import Taking
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.test_delivered_unpaid import differences, total
from tests.component.orders.payments.test_unclear_payments import reference, resolve, unclear
from tests.fixtures.patience import until


@pytest.mark.parametrize("failed", [False, True])
async def test_a_released_hold_that_was_captured_elsewhere_pays_the_order_or_goes_back(
    paid_shop: PaidShop, failed: bool
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    admin = await paid_shop.shop.session("a@example.com", admin=True)
    cancel = "/payment_intents/*/cancel"
    await paid_shop.fault("error", cancel, method="POST", effect="none", status=503, count=0)
    async with paid_shop.open(at_expiry=AtExpiry.RELEASE) as service:
        order_id, intent_id = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "RELEASED")
        if failed:
            await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.dashboard(f"payment_intents/{intent_id}/capture")
        await paid_shop.provider.control("DELETE", "/faults")
        await paid_shop.due(order_id)
        if failed:
            await until(lambda: paid_shop.provider.world.refunds)
        await paid_shop.becomes(order_id, "RELEASED" if failed else "PAID")
    given_back = [refund.amount for refund in paid_shop.provider.world.refunds.values()]
    amount = (await paid_shop.payment(order_id))["amount"]
    assert given_back == ([amount * 100] if failed else [])


@pytest.mark.parametrize("captured", [False, True])
async def test_the_hold_of_an_order_that_was_paid_in_another_way_ends(
    paid_shop: PaidShop, captured: bool
) -> None:
    """The payment provider could not be reached when it was released, and somebody may capture it."""
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    cancel = "/payment_intents/*/cancel"
    await paid_shop.fault("error", cancel, method="POST", effect="none", status=503, count=0)
    async with paid_shop.open(at_expiry=AtExpiry.RELEASE) as service:
        order_id, intent_id = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "RELEASED")
        amount = await total(service, order_id, admin)
        paid = payments_pb2.MarkOrderPaidRequest(
            order_id=order_id, amount=amount, reference="transfer 77"
        )
        await service.payments.MarkOrderPaid(paid, metadata=admin)
        if captured:
            await paid_shop.dashboard(f"payment_intents/{intent_id}/capture")
        await paid_shop.provider.control("DELETE", "/faults")
        await paid_shop.due(order_id)
        await shop.databases.until("select next_run_at is null from orders.payments")
        status = (await paid_shop.intent(intent_id))["status"]
        assert status == ("succeeded" if captured else "canceled")
        given_back = [refund.amount for refund in paid_shop.provider.world.refunds.values()]
        charged = (await paid_shop.payment(order_id))["amount"] * 100
        assert given_back == ([charged] if captured else [])
        await resolve(service, order_id, admin, placed_as=await reference(paid_shop))
        await paid_shop.reaches(order_id, "COMPLETED")
        assert await differences(service, shop.service_key) == set()


async def test_a_second_look_gives_nothing_back_that_the_first_has_recorded(
    paid_shop: PaidShop,
) -> None:
    shop, settings = paid_shop.shop, paid_shop.stripe
    buyer = await shop.session("b@example.com")
    async with paid_shop.open() as service, shop.databases.open("orders") as database:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        async with database.system() as connection:
            found = await store.of_order(connection, UUID(order_id))
        assert found is not None
        starts = Starts(database, Stripe(API(shop.http, settings), settings))
        holds = Holds(database, starts, Taking(PaymentMetrics()), AtExpiry.RELEASE)
        stale = replace(found, state=PaymentState.RELEASED)
        assert await holds.end_released(stale) is None
    assert not paid_shop.provider.world.refunds
    assert (await paid_shop.payment(order_id))["state"] == "PAID"
