"""Failed orders whose payment is disputed: the customer gets it back once, and the shop loses nothing."""

from typing import Any

import pytest

from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.disputes.settings import DisputeSettings
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.test_disputes import NO_POLL, dispute, recorded, send_event
from tests.component.orders.payments.test_unclear_payments import resolve, unclear
from tests.component.orders.refunds.bought import at_provider, balances, wanted

EVENTS = DisputeSettings(suspend=False, refund_warnings=False, poll_every=NO_POLL)
REFUNDS = "select state, reason, destination, amount from orders.refunds order by created_at"
SETTLED = """
select count(*) = $1 and bool_and(state in ('FAILED', 'SUCCEEDED')) from orders.refunds
"""


@pytest.mark.parametrize("outcome", ["won", "prevented", "lost"])
async def test_a_failed_order_is_refunded_if_its_dispute_is_won(
    paid_shop: PaidShop, outcome: str
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open(disputes=EVENTS) as service:
        # Its hold is captured during a review, after which it turns out that nothing was bought.
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        row = await paid_shop.payment(order_id)
        dispute_id = await dispute(paid_shop, row)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
        await shop.databases.until(SETTLED, 1)
        assert (await paid_shop.payment(order_id))["refunded"] == 0

        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": outcome}
        )
        won = outcome != "lost"
        for _ in range(3):
            await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
            await recorded(paid_shop, dispute_id, outcome)
            await shop.databases.until(SETTLED, 2 if won else 1)
            await shop.databases.until(
                "select run is null and coalesce(next_run_at > now(), true)"
                " from orders.payment_reports where id = $1",
                dispute_id,
            )
    payment = await paid_shop.payment(order_id)
    refunds: list[Any] = list(await shop.databases.admin.fetch(REFUNDS))
    assert [tuple(one) for one in refunds] == [
        ("FAILED", "NOT_DELIVERED", "CARD", row["amount"]),
        *([("SUCCEEDED", "NOT_DELIVERED", "CARD", row["amount"])] if won else []),
    ]
    assert payment["refunded"] == (payment["captured"] if won else 0)
    assert len(await at_provider(paid_shop)) == (1 if won else 0)
    booked = await balances(paid_shop)
    assert booked == dict.fromkeys(("clearing:stripe", "deposits", "disputes"), 0)


@pytest.mark.parametrize("paid_back", [False, True])
async def test_an_order_fails_after_its_dispute_was_lost(
    paid_shop: PaidShop, paid_back: bool
) -> None:
    """The cardholder has the deposit by then; what the shop pays back in addition is its loss."""
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open(disputes=EVENTS) as service:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        row = await paid_shop.payment(order_id)
        dispute_id = await dispute(paid_shop, row)
        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": "lost"}
        )
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "lost")
        assert (await balances(paid_shop))["deposits"] == -row["amount"]
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
        await shop.databases.until(SETTLED, 1)
        if paid_back:
            by_hand = wanted(order_id, destination=pb.REFUND_DESTINATION_MANUAL)
            await service.payments.RefundOrder(by_hand, metadata=admin)
    booked = await balances(paid_shop)
    assert booked["clearing:stripe"] == booked["deposits"] == 0
    assert booked["disputes"] == (row["amount"] if paid_back else 0)
    assert booked.get("clearing:manual", 0) == (-row["amount"] if paid_back else 0)


async def test_what_was_paid_back_beyond_the_deposit_is_no_deposit_if_the_dispute_is_won_after_all(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open(disputes=EVENTS) as service:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        row = await paid_shop.payment(order_id)
        dispute_id = await dispute(paid_shop, row)
        resolved = f"/disputes/{dispute_id}/resolve"
        await paid_shop.provider.control("POST", resolved, {"status": "lost"})
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "lost")
        await resolve(service, order_id, admin, not_bought=True)
        await paid_shop.becomes(order_id, "RELEASED")
        await shop.databases.until(SETTLED, 1)
        by_hand = wanted(order_id, destination=pb.REFUND_DESTINATION_MANUAL)
        await service.payments.RefundOrder(by_hand, metadata=admin)
        paid_shop.provider.world.disputes[dispute_id].status = "under_review"
        await paid_shop.provider.control("POST", "/clock/advance", {"seconds": 2})
        await paid_shop.provider.control("POST", resolved, {"status": "won"})
        for _ in range(2):
            await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
            await recorded(paid_shop, dispute_id, "won")
    booked = await balances(paid_shop)
    assert booked["deposits"] == booked["disputes"] == 0
    assert booked["clearing:stripe"] == -booked["clearing:manual"] == row["amount"]
