"""Objects that tests create at the payment sandbox."""

from typing import Any

import stripe

SESSION: dict[str, Any] = {
    "mode": "payment",
    "line_items": [
        {
            "price_data": {
                "currency": "usd",
                "unit_amount": 750,
                "product_data": {"name": "Japan <5 GB>"},
            },
            "quantity": 2,
        }
    ],
    "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/back",
    "client_reference_id": "o-1",
    "metadata": {"order_id": "o-1"},
    "payment_intent_data": {"capture_method": "manual", "metadata": {"order_id": "o-1"}},
    "allowed_payment_method_types": ["card"],
}


async def created(client: stripe.StripeClient, **changes: Any) -> stripe.checkout.Session:
    """Return a new Session."""
    params: Any = {**SESSION, **changes}
    return await client.v1.checkout.sessions.create_async(params)


MANUAL: dict[str, Any] = {
    "amount": 1099,
    "currency": "eur",
    "capture_method": "manual",
    "allowed_payment_method_types": ["card"],
    "metadata": {"order_id": "o-1"},
}


async def held(client: stripe.StripeClient, **changes: Any) -> stripe.PaymentIntent:
    """Return a PaymentIntent whose amount is held on a card."""
    params: Any = {**MANUAL, "confirm": True, "payment_method": "pm_card_visa", **changes}
    return await client.v1.payment_intents.create_async(params)


async def paid(client: stripe.StripeClient, **changes: Any) -> stripe.PaymentIntent:
    """Return a PaymentIntent that was paid at once."""
    params: Any = {
        **MANUAL,
        "capture_method": "automatic",
        "confirm": True,
        "payment_method": "pm_card_visa",
        **changes,
    }
    return await client.v1.payment_intents.create_async(params)


async def booked(client: stripe.StripeClient, source: str) -> list[tuple[str, int, int, int]]:
    """Return category, amount, fee and net of the balance transactions of one source, oldest first."""
    listed = await client.v1.balance_transactions.list_async({"source": source})
    return [(one.reporting_category, one.amount, one.fee, one.net) for one in reversed(listed.data)]
