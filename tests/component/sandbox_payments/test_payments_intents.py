"""PaymentIntents, driven by the official library."""

from typing import Any

import pytest
import stripe

from tests.component.sandbox_payments.objects import MANUAL, held
from tests.fixtures.payments import PaymentSandbox


async def test_a_hold_is_captured_in_part(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await client.v1.payment_intents.create_async({**MANUAL})  # type: ignore[typeddict-item]
    assert (intent.status, intent.latest_charge) == ("requires_payment_method", None)
    intent = await client.v1.payment_intents.confirm_async(
        intent.id, {"payment_method": "pm_card_mastercard", "expand": ["latest_charge"]}
    )
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "requires_capture",
        1099,
        0,
    )
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.captured, charge.paid, charge.status) == (False, True, "succeeded")
    assert charge.payment_method_details is not None
    assert charge.payment_method_details.card is not None
    assert charge.payment_method_details.card.capture_before == charge.created + 7 * 86_400
    assert charge.balance_transaction is None

    intent = await client.v1.payment_intents.capture_async(
        intent.id,
        {"amount_to_capture": 1000, "expand": ["latest_charge.balance_transaction"]},
    )
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "succeeded",
        0,
        1000,
    )
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (1000, 0, False)
    transaction = charge.balance_transaction
    assert isinstance(transaction, stripe.BalanceTransaction)
    assert (transaction.amount, transaction.fee, transaction.net) == (1000, 59, 941)
    totals = await payment_provider.control("GET", "/totals")
    assert totals["eur"]["captured"] == 1000


async def test_a_hold_is_canceled_without_a_refund(client: stripe.StripeClient) -> None:
    intent = await held(client)
    intent = await client.v1.payment_intents.cancel_async(
        intent.id, {"cancellation_reason": "abandoned", "expand": ["latest_charge"]}
    )
    assert (intent.status, intent.cancellation_reason) == ("canceled", "abandoned")
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.refunded, charge.amount_refunded, charge.amount_captured) == (False, 0, 0)
    refunds = await client.v1.refunds.list_async({"payment_intent": intent.id})
    assert refunds.data == []


async def test_a_hold_expires_by_the_clock(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await held(client)
    await payment_provider.control("POST", "/clock/advance", {"days": 6, "hours": 23})
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == "requires_capture"
    await payment_provider.control("POST", "/clock/advance", {"hours": 2})
    intent = await client.v1.payment_intents.retrieve_async(intent.id)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")
    assert intent.canceled_at is not None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.capture_async(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    events = await client.v1.events.list_async({"types": ["charge.expired"]})
    assert [event.data.object["id"] for event in events.data] == [intent.latest_charge]


async def test_a_decline_is_reported_and_the_intent_can_be_paid_again(
    client: stripe.StripeClient,
) -> None:
    params: Any = {**MANUAL}
    intent = await client.v1.payment_intents.create_async(params)
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.confirm_async(
            intent.id, {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        )
    error = declined.value.error
    assert error is not None
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    embedded = error.payment_intent
    assert embedded is not None
    assert embedded.status == "requires_payment_method"
    assert embedded.last_payment_error is not None
    assert embedded.last_payment_error.charge == error.charge
    first = error.charge
    intent = await client.v1.payment_intents.confirm_async(
        intent.id, {"payment_method": "pm_card_visa"}
    )
    assert (intent.status, intent.last_payment_error) == ("requires_capture", None)
    assert intent.latest_charge != first
    charges = await client.v1.charges.list_async({"payment_intent": intent.id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]
