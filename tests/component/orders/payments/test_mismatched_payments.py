"""Payments that differ from what was requested."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.component.orders.payments.paid_shop import PaidShop


def _amount(intent: Any) -> None:
    intent.amount -= 1


def _currency(intent: Any) -> None:
    intent.currency = "eur"


def _order(intent: Any) -> None:
    intent.metadata["payment_id"] = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize("change", [_amount, _currency, _order])
@pytest.mark.parametrize("paid", [True, False])
async def test_a_payment_that_does_not_match_buys_nothing(
    paid_shop: PaidShop, change: Callable[[Any], None], paid: bool
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        change(paid_shop.provider.world.intents[intent_id])
        if paid:
            await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_MISMATCH"
    assert intent_id in (await paid_shop.payment(order_id))["detail"]
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"
    assert paid_shop.shop.charges == 0


@pytest.mark.parametrize("change", [_amount, _currency])
async def test_what_was_taken_wrongly_is_refunded(
    paid_shop: PaidShop, change: Callable[[Any], None]
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        intent = paid_shop.provider.world.intents[intent_id]
        intent.capture_method = "automatic"  # as for a method without holds
        change(intent)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_MISMATCH"
    [refund] = paid_shop.provider.world.refunds.values()
    assert refund.amount == intent.amount
    assert paid_shop.shop.charges == 0


@pytest.mark.parametrize("part", [True, False])
async def test_what_the_staff_refunded_in_the_dashboard_is_not_refunded_again(
    paid_shop: PaidShop, part: bool
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        intent = paid_shop.provider.world.intents[intent_id]
        intent.capture_method = "automatic"  # as for a method without holds
        _amount(intent)
        await paid_shop.pay(intent_id)
        given = 100 if part else intent.amount
        await paid_shop.dashboard("refunds", payment_intent=intent_id, amount=given)
        await paid_shop.due(order_id)
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_MISMATCH"
    assert (
        sum(refund.amount for refund in paid_shop.provider.world.refunds.values()) == intent.amount
    )
