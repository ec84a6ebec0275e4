"""Creation of the adapter of Stripe for the orders service."""

from kit.process.service import Opened
from services.orders.payments.port import PaymentPort
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from services.orders.payments.stripe.settings import StripeSettings


def connect(parts: Opened, settings: StripeSettings) -> PaymentPort | None:
    """Return the adapter on the service's HTTP session; None without a key."""
    if not settings.api_key:
        return None
    return Stripe(API(parts.http, settings), settings)
