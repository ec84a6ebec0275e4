"""Holds that are released during a review, although somebody captures them at the payment provider."""

import pytest

from services.orders.payments.settings import AtExpiry
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.test_unclear_payments import dashboard, resolve, unclear
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
        await dashboard(paid_shop, f"payment_intents/{intent_id}/capture")
        await paid_shop.provider.control("DELETE", "/faults")
        await paid_shop.due(order_id)
        if failed:
            await until(lambda: paid_shop.provider.world.refunds)
        await paid_shop.becomes(order_id, "RELEASED" if failed else "PAID")
    given_back = [refund.amount for refund in paid_shop.provider.world.refunds.values()]
    amount = (await paid_shop.payment(order_id))["amount"]
    assert given_back == ([amount * 100] if failed else [])
