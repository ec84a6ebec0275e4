"""Direct debits, whose result is known after the Checkout Session has completed."""

import pytest
import stripe

from tests.component.sandbox_payments.conftest import Endpoint
from tests.component.sandbox_payments.objects import created
from tests.fixtures.payments import WEBHOOK_SECRET, PaymentSandbox


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_direct_debit_ends_later(
    client: stripe.StripeClient,
    payment_provider: PaymentSandbox,
    endpoint: Endpoint,
    succeeds: bool,
) -> None:
    session = await created(
        client,
        payment_intent_data={"metadata": {"order_id": "o-1"}},
        allowed_payment_method_types=["card", "sepa_debit"],
    )
    started = await payment_provider.control(
        "POST", f"/checkout_sessions/{session.id}/pay", {"debit": True}
    )
    assert (started["session"]["status"], started["session"]["payment_status"]) == (
        "complete",
        "unpaid",
    )
    intent = started["payment_intent"]
    assert intent["status"] == "processing"
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.cancel_async(intent["id"])
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.refunds.create_async({"charge": intent["latest_charge"]})
    await payment_provider.control(
        "POST", f"/payment_intents/{intent['id']}/settle", {"succeeds": succeeds}
    )
    session = await client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent"]}
    )
    assert isinstance(session.payment_intent, stripe.PaymentIntent)
    assert (session.payment_status, session.payment_intent.status) == (
        ("paid", "succeeded") if succeeds else ("unpaid", "requires_payment_method")
    )
    await payment_provider.control("POST", "/drain")
    types = endpoint.types(WEBHOOK_SECRET)
    assert types[2:4] == ["payment_intent.processing", "checkout.session.completed"]
    assert types[-1] == (
        "checkout.session.async_payment_succeeded"
        if succeeds
        else "checkout.session.async_payment_failed"
    )


async def test_holds_hide_direct_debits(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    session = await created(client, allowed_payment_method_types=["card", "sepa_debit"])
    assert session.payment_method_types == ["card"]
    refused = await payment_provider.control(
        "POST", f"/checkout_sessions/{session.id}/pay", {"debit": True}
    )
    assert "not offered" in refused["error"]["message"]
