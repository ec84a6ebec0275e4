"""Disputes whose amount changes, or is taken again: the ledger has what the payment provider has."""

from decimal import Decimal
from typing import Any

from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.test_disputes import dispute, recorded, send_event, sold
from tests.component.orders.refunds.bought import balances

AMOUNT = "select amount = $2 from orders.disputes where id = $1"


async def disputed(shop: PaidShop) -> Any:
    """Return what disputes have taken by the ledger."""
    return (await balances(shop)).get("disputes", 0)


async def test_the_amount_of_a_dispute_changes(paid_shop: PaidShop) -> None:
    world = paid_shop.provider.world
    async with sold(paid_shop) as (service, _, row):
        dispute_id = await dispute(paid_shop, row)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        for less in (Decimal("0.5"), Decimal("0.2")):
            world.disputes[dispute_id].amount = int((row["amount"] - less) * 100)
            await send_event(service, paid_shop, "charge.dispute.updated", row, dispute_id)
            await paid_shop.shop.databases.until(AMOUNT, dispute_id, row["amount"] - less)
            assert await disputed(paid_shop) == row["amount"] - less
        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": "won"}
        )
        for _ in range(2):
            await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
            await recorded(paid_shop, dispute_id, "won")
        assert await disputed(paid_shop) == 0


async def test_a_dispute_takes_its_amount_again(paid_shop: PaidShop) -> None:
    found = paid_shop.provider.world.disputes
    async with sold(paid_shop) as (service, _, row):
        dispute_id = await dispute(paid_shop, row)
        resolve = f"/disputes/{dispute_id}/resolve"
        for outcome, kept in (("won", 0), ("lost", row["amount"])):
            await paid_shop.provider.control("POST", resolve, {"status": outcome})
            await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
            await recorded(paid_shop, dispute_id, outcome)
            assert await disputed(paid_shop) == kept
            # The bank of the cardholder appeals, and takes the amount back.
            found[dispute_id].status = "warning_needs_response"
            await paid_shop.provider.control("POST", "/clock/advance", {"seconds": 2})
            await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/escalate", {})
