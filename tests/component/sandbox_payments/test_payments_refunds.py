"""Refunds: partial, pending, failing late, and refused."""

from typing import Any

import pytest
import stripe

from tests.component.sandbox_payments.conftest import Endpoint
from tests.component.sandbox_payments.objects import booked, held, paid
from tests.fixtures.payments import WEBHOOK_SECRET, PaymentSandbox


async def test_partial_refunds_add_up(client: stripe.StripeClient) -> None:
    intent = await paid(client)
    params: Any = {"payment_intent": intent.id, "metadata": {"refund_id": "r-1"}}
    part: Any = {**params, "amount": 99}
    first = await client.v1.refunds.create_async(part)
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 99, intent.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded") as refused:
        await client.v1.refunds.create_async(part | {"amount": 1001})
    assert refused.value.param == "amount"
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (99, False)
    await client.v1.refunds.create_async({"charge": str(intent.latest_charge)})
    charge = await client.v1.charges.retrieve_async(charge.id, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (1099, True)
    assert charge.refunds is not None
    assert [refund.amount for refund in charge.refunds.data] == [1000, 99]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params)
    assert refused.value.code == "charge_already_refunded"
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == "succeeded"
    listed = await client.v1.refunds.list_async({"payment_intent": intent.id})
    assert [one.metadata.to_dict() if one.metadata else None for one in listed.data] == [
        {},
        {"refund_id": "r-1"},
    ]
    assert await booked(client, first.id) == [("refund", -99, 0, -99)]


async def test_a_refund_is_pending_before_it_succeeds(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await paid(client, payment_method="pm_card_pendingRefund")
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    await payment_provider.control("POST", "/clock/advance", {"hours": 1})
    assert (await client.v1.refunds.retrieve_async(refund.id)).status == "succeeded"
    await payment_provider.control("POST", "/drain")
    last = endpoint.events(WEBHOOK_SECRET)[-2]
    assert (last.type, last.data.previous_attributes["status"]) == ("refund.updated", "pending")


async def test_a_refund_that_succeeded_fails_later(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await paid(client, payment_method="pm_card_refundFail")
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    await payment_provider.control("POST", "/clock/advance", {"hours": 1})
    refund = await client.v1.refunds.retrieve_async(
        refund.id, {"expand": ["failure_balance_transaction"]}
    )
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    returned = refund.failure_balance_transaction
    assert isinstance(returned, stripe.BalanceTransaction)
    assert (returned.type, returned.amount) == ("refund_failure", 1099)
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    await payment_provider.control("POST", "/drain")
    assert endpoint.types(WEBHOOK_SECRET)[-1] == "refund.failed"
    # The money can be refunded again, and the tester can let any refund fail.
    again = await client.v1.refunds.create_async({"payment_intent": intent.id})
    failed = await payment_provider.control(
        "POST", f"/refunds/{again.id}/fail", {"reason": "lost_or_stolen_card"}
    )
    assert failed["failure_reason"] == "lost_or_stolen_card"


async def test_a_refund_waits_for_funds(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await paid(client)
    await payment_provider.control("POST", "/switches", {"short_balance": True})
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "insufficient_funds")
    assert refund.balance_transaction is None
    settled = await payment_provider.control("POST", f"/refunds/{refund.id}/succeed")
    assert settled["status"] == "succeeded"
    assert settled["balance_transaction"] is not None


async def test_what_can_not_be_refunded(client: stripe.StripeClient) -> None:
    intent = await held(client)
    refused: list[Any] = []
    attempts: list[Any] = [
        {"payment_intent": intent.id},
        {"charge": str(intent.latest_charge)},
        {"payment_intent": "pi_unknown"},
        {"amount": 100},
        {"charge": str(intent.latest_charge), "amount": 0},
    ]
    for params in attempts:
        with pytest.raises(stripe.InvalidRequestError) as error:
            await client.v1.refunds.create_async(params)
        refused.append((error.value.http_status, error.value.code))
    assert refused == [
        (400, "payment_intent_unexpected_state"),
        (400, "charge_not_refundable"),
        (404, "resource_missing"),
        (400, "parameter_missing"),
        (400, "parameter_invalid_integer"),
    ]


async def test_refunds_of_cards_can_not_be_canceled_but_get_metadata(
    client: stripe.StripeClient,
) -> None:
    intent = await paid(client)
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError, match="could not be canceled"):
        await client.v1.refunds.cancel_async(refund.id)
    changed = await client.v1.refunds.update_async(
        refund.id, {"metadata": {"refund_id": "r-2", "other": "1"}}
    )
    changed = await client.v1.refunds.update_async(refund.id, {"metadata": {"other": ""}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"refund_id": "r-2"}


async def test_the_balance_transaction_of_an_asynchronous_capture_appears_later(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await paid(client, capture_method="automatic_async", expand=["latest_charge"])
    assert intent.capture_method == "automatic_async"
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.balance_transaction is None
    await payment_provider.control("POST", "/clock/advance", {"seconds": 2})
    charge = await client.v1.charges.retrieve_async(intent.latest_charge.id)
    assert charge.balance_transaction is not None
    await payment_provider.control("POST", "/drain")
    assert endpoint.types(WEBHOOK_SECRET)[-1] == "charge.updated"
