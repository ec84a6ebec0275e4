"""The adapter of Stripe on the payment sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from services.orders.payments.port import Intent, Start
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from services.orders.payments.stripe.settings import StripeSettings
from tests.fixtures.patience import PATIENCE
from tests.fixtures.payments import PaymentSandbox


@dataclass(frozen=True, slots=True)
class Paying:
    """The adapter, and the sandbox behind it."""

    provider: PaymentSandbox
    port: Stripe

    async def pay(self, intent: Intent, card: str = "4242424242424242") -> dict[str, Any]:
        """Pay as the buyer's browser would, and return the answer of the sandbox."""
        body = {"card": card}
        path = f"/payment_intents/{intent.id}/pay"
        answer: dict[str, Any] = await self.provider.control("POST", path, body)
        return answer

    async def authorized(self, **changes: Any) -> Intent:
        """Return an intent whose amount is held."""
        started = await self.port.start_intent(start(**changes))
        await self.pay(started)
        return await self.port.get_intent(started.id)

    async def fault(self, kind: str, path: str = "*", **options: Any) -> None:
        """Disturb the next request of that path, which is without /v1."""
        await self.provider.control("POST", "/faults", {"kind": kind, "path": path, **options})

    async def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind that the sandbox has, such as payment_intents."""
        found: dict[str, Any] = await self.provider.control("GET", "/snapshot")
        rows = found[kind]
        return list(rows.values()) if isinstance(rows, dict) else list(rows)


def start(**changes: Any) -> Start:
    """Return what a payment of 12.50 EUR needs."""
    usual = Start(
        payment_id=uuid4(),
        order_id=uuid4(),
        amount=Decimal("12.50"),
        currency="EUR",
        description="eSIM, 10 GB",
        return_url="https://shop.example/done",
        expires_at=datetime.now(UTC) + timedelta(minutes=30),
        capture_now=False,
    )
    return replace(usual, **changes)


def id_of(intent: Intent) -> UUID:
    """Return the id of the payment of an intent."""
    return UUID(intent.payment_id)


Adapting = Callable[..., Stripe]


@pytest.fixture
def adapting(http: aiohttp.ClientSession, payment_provider: PaymentSandbox) -> Adapting:
    """Make an adapter on the sandbox; keyword arguments are settings."""

    def adapter(**changes: Any) -> Stripe:
        usual = StripeSettings(payment_provider.secret_key, payment_provider.url, timeout=PATIENCE)
        settings = replace(usual, **changes)
        return Stripe(API(http, settings), settings)

    return adapter


@pytest.fixture
def paying(payment_provider: PaymentSandbox, adapting: Adapting) -> Paying:
    return Paying(payment_provider, adapting())
