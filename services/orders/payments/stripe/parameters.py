"""Parameters of the requests that start a payment at Stripe."""

from datetime import timedelta
from typing import Any

from services.orders.payments.port import Start
from services.orders.payments.stripe import amounts, objects
from services.orders.payments.stripe.settings import HOLDABLE, StripeSettings

WITH_CHARGE = ["latest_charge"]
# A session must be open for at least 30 minutes. This is added to the end of the payment instead of to the
# time of the call, as a repeated call must send the same parameters. The payment is given up at its end, and
# the session with it.
SESSION_MARGIN = timedelta(minutes=31)
MAX_DESCRIPTION = 500
# By default a page does not offer cards that were saved with a payment. Here all were saved to be offered.
REDISPLAY = {"allow_redisplay_filters": ["always", "limited", "unspecified"]}


class Parameters:
    """Makes equal parameters of equal payments, so that a request can be repeated under its key."""

    def __init__(self, settings: StripeSettings) -> None:
        self._methods = list(settings.methods)
        self._holds = settings.holds

    def intent(self, start: Start) -> dict[str, Any]:
        """Return the parameters of an intent; raises Failure for less than Stripe accepts."""
        amounts.check_minimum(start.amount, start.currency)
        params: dict[str, Any] = {
            "amount": amounts.to_minor(start.amount, start.currency),
            "currency": start.currency.lower(),
            "allowed_payment_method_types": self._methods,
            "description": start.description[:MAX_DESCRIPTION],
            "metadata": _metadata(start),
            "expand": WITH_CHARGE,
            **self._capture(start),
        }
        if start.customer and start.save:
            params |= {"customer": start.customer, "setup_future_usage": "on_session"}
        return params

    def checkout(self, start: Start) -> dict[str, Any]:
        """Return the parameters of a checkout session; raises Failure for less than Stripe accepts."""
        amounts.check_minimum(start.amount, start.currency)
        metadata, capture = _metadata(start), self._capture(start)
        intent: dict[str, Any] = {
            "capture_method": capture["capture_method"],
            "description": start.description[:MAX_DESCRIPTION],
            "metadata": metadata,
        }
        params: dict[str, Any] = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": start.currency.lower(),
                        "unit_amount": amounts.to_minor(start.amount, start.currency),
                        "product_data": {"name": start.description[:MAX_DESCRIPTION]},
                    },
                }
            ],
            "success_url": start.return_url,
            "cancel_url": start.return_url,
            "client_reference_id": str(start.payment_id),
            "metadata": metadata,
            "payment_intent_data": intent,
            "allowed_payment_method_types": self._methods,
            "adaptive_pricing": {"enabled": False},
            "expires_at": int((start.expires_at + SESSION_MARGIN).timestamp()),
        }
        if "payment_method_options" in capture:
            params["payment_method_options"] = capture["payment_method_options"]
        if start.customer:
            params |= {"customer": start.customer, "saved_payment_method_options": REDISPLAY}
            if start.save:
                intent["setup_future_usage"] = "on_session"
        return params

    def _capture(self, start: Start) -> dict[str, Any]:
        """Return when the money is taken: later if the method can hold it, else at once."""
        if start.capture_now:
            return {"capture_method": "automatic"}
        if self._holds:
            return {"capture_method": "manual"}
        # A top-level "manual" would hide methods without holds.
        held = {m: {"capture_method": "manual"} for m in self._methods if m in HOLDABLE}
        return {"capture_method": "automatic", "payment_method_options": held}


def _metadata(start: Start) -> dict[str, str]:
    order = {objects.ORDER: str(start.order_id)} if start.order_id else {}
    return {objects.PAYMENT: str(start.payment_id), **order}
