"""The state machine of PaymentIntents: every operation in every status, and every test card."""

from typing import Any

import pytest
import stripe

from sandbox.payments.state.cards import CARDS, Card
from tests.component.sandbox_payments.objects import MANUAL
from tests.fixtures.payments import PaymentSandbox

VISA: Any = {"payment_method": "pm_card_visa"}
STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "succeeded",
    "canceled",
)
# The status after each operation that is allowed; all others are refused.
ALLOWED = {
    ("requires_payment_method", "confirm"): "requires_capture",
    ("requires_confirmation", "confirm"): "requires_capture",
    ("requires_action", "confirm"): "requires_capture",
    ("requires_capture", "capture"): "succeeded",
    ("requires_payment_method", "cancel"): "canceled",
    ("requires_confirmation", "cancel"): "canceled",
    ("requires_action", "cancel"): "canceled",
    ("requires_capture", "cancel"): "canceled",
    ("requires_payment_method", "update"): "requires_payment_method",
    ("requires_confirmation", "update"): "requires_confirmation",
    ("requires_action", "update"): "requires_confirmation",
}


async def intent_in(client: stripe.StripeClient, status: str) -> stripe.PaymentIntent:
    """Return a PaymentIntent in this status."""
    params: Any = {**MANUAL}
    api = client.v1.payment_intents
    intent = await api.create_async(params)
    if status == "requires_confirmation":
        return await api.update_async(intent.id, VISA)
    if status == "requires_action":
        return await api.confirm_async(
            intent.id, {"payment_method": "pm_card_threeDSecure2Required"}
        )
    if status in ("requires_capture", "succeeded"):
        intent = await api.confirm_async(intent.id, VISA)
    if status == "succeeded":
        intent = await api.capture_async(intent.id)
    if status == "canceled":
        intent = await api.cancel_async(intent.id)
    return intent


async def operate(client: stripe.StripeClient, name: str, id_: str) -> stripe.PaymentIntent:
    api = client.v1.payment_intents
    if name == "confirm":
        return await api.confirm_async(id_, VISA)
    if name == "capture":
        return await api.capture_async(id_)
    if name == "cancel":
        return await api.cancel_async(id_)
    return await api.update_async(id_, {"amount": 2000})


@pytest.mark.parametrize("name", ["confirm", "capture", "cancel", "update"])
@pytest.mark.parametrize("status", STATUSES)
async def test_operations_are_allowed_or_refused(
    client: stripe.StripeClient, status: str, name: str
) -> None:
    intent = await intent_in(client, status)
    assert intent.status == status
    wanted = ALLOWED.get((status, name))
    if wanted is not None:
        assert (await operate(client, name, intent.id)).status == wanted
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await operate(client, name, intent.id)
    assert (refused.value.http_status, refused.value.code) == (
        400,
        "payment_intent_unexpected_state",
    )
    assert refused.value.error is not None
    assert refused.value.error.payment_intent is not None
    assert refused.value.error.payment_intent.status == status
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == status


@pytest.mark.parametrize("status", STATUSES)
async def test_metadata_can_always_be_changed(client: stripe.StripeClient, status: str) -> None:
    intent = await intent_in(client, status)
    changed = await client.v1.payment_intents.update_async(
        intent.id, {"metadata": {"order_id": "", "note": "x"}}
    )
    assert changed.status == status
    assert changed.metadata.to_dict() == {"note": "x"}


async def test_more_than_the_held_amount_is_not_captured(client: stripe.StripeClient) -> None:
    intent = await intent_in(client, "requires_capture")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 1100})
    assert refused.value.code == "amount_too_large"


async def test_confirmation_needs_a_card(client: stripe.StripeClient) -> None:
    intent = await intent_in(client, "requires_payment_method")
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        await client.v1.payment_intents.confirm_async(intent.id)


def cards(*, authenticated: bool) -> list[Card]:
    return [
        card for card in CARDS if (card.authentication in ("required", "always")) == authenticated
    ]


@pytest.mark.parametrize("card", cards(authenticated=False), ids=lambda card: card.method)
async def test_each_card_succeeds_or_is_declined(client: stripe.StripeClient, card: Card) -> None:
    params: Any = {**MANUAL, "confirm": True, "payment_method": card.method}
    if card.decline is None:
        intent = await client.v1.payment_intents.create_async(params)
        assert intent.status == "requires_capture"
        return
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.create_async(params)
    error = declined.value.error
    assert error is not None
    assert (error.code, error.decline_code) == (card.decline.code, card.decline.decline_code)
    assert error.payment_intent is not None
    assert error.payment_intent.payment_method is None
    charge = await client.v1.charges.retrieve_async(str(error.charge))
    assert charge.outcome is not None
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, card.decline.code)
    assert charge.outcome.type == ("blocked" if card.risk == "blocked" else "issuer_declined")


@pytest.mark.parametrize("card", cards(authenticated=True), ids=lambda card: card.method)
async def test_each_card_with_3d_secure(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, card: Card
) -> None:
    params: Any = {
        **MANUAL,
        "confirm": True,
        "payment_method": card.method,
        "return_url": "https://shop.example/back",
    }
    intent = await client.v1.payment_intents.create_async(params)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    url = str(intent.next_action.redirect_to_url.url)
    answer = await payment_provider.http.post(
        url, data={"outcome": "complete"}, allow_redirects=False
    )
    where = answer.headers["Location"]
    assert where.startswith(f"https://shop.example/back?payment_intent={intent.id}&")
    intent = await client.v1.payment_intents.retrieve_async(
        intent.id, {"expand": ["latest_charge"]}
    )
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    if card.decline is None:
        assert intent.status == "requires_capture"
        assert charge.payment_method_details is not None
        assert charge.payment_method_details.card is not None
        assert charge.payment_method_details.card.three_d_secure is not None
        assert charge.payment_method_details.card.three_d_secure.result == "authenticated"
        assert where.endswith("redirect_status=succeeded")
    else:
        assert intent.status == "requires_payment_method"
        assert intent.last_payment_error is not None
        assert intent.last_payment_error.decline_code == card.decline.decline_code
        assert where.endswith("redirect_status=failed")


async def test_a_failed_authentication_makes_no_charge(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await intent_in(client, "requires_action")
    assert intent.next_action is not None
    assert intent.next_action.type == "use_stripe_sdk"
    result = await payment_provider.control(
        "POST", f"/payment_intents/{intent.id}/authenticate", {"succeeds": False}
    )
    assert result["error"]["code"] == "payment_intent_authentication_failure"
    assert result["payment_intent"]["status"] == "requires_payment_method"
    assert result["payment_intent"]["latest_charge"] is None


async def test_manual_confirmation_after_the_authentication(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    params: Any = {
        **MANUAL,
        "confirm": True,
        "confirmation_method": "manual",
        "payment_method": "pm_card_threeDSecure2Required",
    }
    intent = await client.v1.payment_intents.create_async(params)
    result = await payment_provider.control("POST", f"/payment_intents/{intent.id}/authenticate")
    assert result["payment_intent"]["status"] == "requires_confirmation"
    intent = await client.v1.payment_intents.confirm_async(intent.id)
    assert intent.status == "requires_capture"


async def test_the_merchant_can_not_authenticate_for_the_buyer(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async({"email": "a@b.example"})
    for changes in ({"off_session": True}, {"error_on_requires_action": True}):
        params: Any = {
            **MANUAL,
            **changes,
            "confirm": True,
            "customer": customer.id,
            "payment_method": "pm_card_authenticationRequired",
        }
        with pytest.raises(stripe.CardError) as declined:
            await client.v1.payment_intents.create_async(params)
        assert declined.value.code == "authentication_required"


@pytest.mark.parametrize(
    ("card", "changes", "days"),
    [
        ("pm_card_visa", {}, 7),
        ("pm_card_visa", {"off_session": True}, 4.75),
        ("pm_card_mastercard", {"off_session": True}, 7),
        ("pm_card_amex", {}, 7),
    ],
)
async def test_the_network_decides_how_long_a_hold_lasts(
    client: stripe.StripeClient, card: str, changes: dict[str, Any], days: float
) -> None:
    params: Any = {
        **MANUAL,
        **changes,
        "confirm": True,
        "payment_method": card,
        "expand": ["latest_charge"],
    }
    intent = await client.v1.payment_intents.create_async(params)
    charge: Any = intent.latest_charge
    seconds = charge.payment_method_details.card.capture_before - charge.created
    assert seconds == days * 86_400
