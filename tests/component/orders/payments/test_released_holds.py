"""Holds that are released during a review, even if they are captured at the payment provider."""

from dataclasses import replace
from uuid import UUID

import pytest

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
from tests.component.orders.payments.test_unclear_payments import resolve, unclear
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
