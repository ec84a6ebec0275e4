"""Top-ups that the payment provider does not know, such as with the key of another account."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.wallet.test_top_ups import becomes, due, no_wallet, pay, row, wanted

WAITS = "select run is null and next_run_at > now() + interval '50 minutes' from orders.payments"


async def test_an_unknown_top_up_is_credited_if_it_is_paid_after_all(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    intents = paid_shop.provider.world.intents
    async with paid_shop.open() as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        intent_id = (await row(paid_shop, started.id))["intent_id"]
        intent = intents.pop(intent_id)
        await due(paid_shop)
        await paid_shop.shop.databases.until(WAITS)
        assert (await row(paid_shop, started.id))["state"] == "AWAITING"
        intents[intent_id] = intent
        await pay(paid_shop, started.id)
        await due(paid_shop)
        await becomes(paid_shop, started.id, "CAPTURED")
    assert await paid_shop.wallet(customer) == (Decimal(20), Decimal(0))


async def test_an_unknown_top_up_is_given_up_after_two_days(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        paid_shop.provider.world.intents.clear()
        await paid_shop.shop.databases.admin.execute(
            "update orders.payments set created_at = $1, next_run_at = now()",
            datetime.now(UTC) - timedelta(days=3),
        )
        await becomes(paid_shop, started.id, "RELEASED")
    assert await no_wallet(paid_shop)
