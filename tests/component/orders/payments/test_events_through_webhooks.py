"""Payments that a customer makes and leaves: Stripe's events have them bought, or polls if none arrives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.component.orders.payments.paid_shop import Open, PaidShop
from tests.component.orders.payments.provider_events import unpaid
from tests.fixtures.free_ports import free_ports
from tests.fixtures.settings import webhook_settings
from webhooks.__main__ import serve

STATES = "select coalesce(bool_and(state = 'DELIVERED'), false) from webhooks.deliveries"
# An event before our own commit is delivered once more soon.
FOREIGN_AFTER = 60


@asynccontextmanager
async def connected(shop: PaidShop) -> AsyncIterator[Open]:
    """Run orders and the webhook process, to which the payment sandbox sends its events."""
    [port] = free_ports(1)
    service = replace(shop.shop.settings.service, port=port)
    settings = webhook_settings(
        shop.shop.databases,
        shop.shop.auth,
        keys=("of the esim provider",),
        stripe_secrets=(shop.provider.webhook_secret,),
        esims_address="127.0.0.1:1",
        orders_address=f"127.0.0.1:{port}",
        foreign_seconds=FOREIGN_AFTER,
        max_attempts=20,
    )
    async with (
        shop.open(service=service) as opened,
        shop.shop.serving(serve, settings) as receiver,
    ):
        url = f"http://127.0.0.1:{receiver}/webhooks/stripe"
        await shop.provider.control("POST", "/webhooks", {"url": url})
        yield opened


async def test_a_customer_pays_and_closes_the_browser(paid_shop: PaidShop) -> None:
    async with connected(paid_shop) as service:
        order_id, row = await unpaid(service, paid_shop, return_url="https://shop.example/done")
        path = f"/checkout_sessions/{row['session_id']}/pay"
        await paid_shop.provider.control("POST", path, {"card": "4242424242424242"})
        await paid_shop.reaches(order_id, "COMPLETED")
        await paid_shop.shop.databases.until(STATES)
    assert paid_shop.shop.charges == 1


async def test_events_twice_and_newest_first_buy_once(paid_shop: PaidShop) -> None:
    async with connected(paid_shop) as service:
        order_id, row = await unpaid(service, paid_shop)
        mode = {"held": True, "copies": 2, "twins": True, "stale": True}
        await paid_shop.provider.control("POST", "/delivery", mode)
        await paid_shop.pay(row["intent_id"])
        await paid_shop.provider.control("POST", "/delivery/release", {"newest_first": True})
        await paid_shop.reaches(order_id, "COMPLETED")
        await paid_shop.shop.databases.until(STATES)
    assert paid_shop.shop.charges == 1
    intent = await paid_shop.intent(row["intent_id"])
    assert intent["amount_received"] == intent["amount"]


async def test_a_dispute_is_noticed_by_its_event(paid_shop: PaidShop) -> None:
    async with connected(paid_shop) as service:
        order_id, row = await unpaid(service, paid_shop)
        await paid_shop.pay(row["intent_id"])
        await paid_shop.reaches(order_id, "COMPLETED")
        charge_id = (await paid_shop.payment(order_id))["charge_id"]
        await paid_shop.provider.control("POST", f"/charges/{charge_id}/dispute", {})
        await paid_shop.shop.databases.until(
            "select exists (select from orders.disputes where withdrawn)"
        )
