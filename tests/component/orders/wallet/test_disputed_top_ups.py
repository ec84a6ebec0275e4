"""A disputed top-up is taken back from the wallet, as far as it is left, and given back if the shop wins."""

from decimal import Decimal
from typing import Any

import pytest

from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.disputes.settings import DisputeSettings
from tests.component.orders.books.checked import CheckedShop, checked
from tests.component.orders.payments.paid_shop import WALLET, Open, PaidShop, buyer_id
from tests.component.orders.payments.provider_events import apply, event
from tests.component.orders.refunds.bought import usd
from tests.component.orders.shop import Metadata
from tests.component.orders.wallet.test_wallets import wanted
from tests.fixtures.rpc.refusals import refused

ENTRIES = "select kind, available from orders.wallet_entries order by n"
# Long enough that only events report anything.
NO_POLL = DisputeSettings(suspend=False, refund_warnings=False, poll_every=3600.0)
TOPPED_UP = Decimal(400)


async def topped_up(service: Open, shop: PaidShop, buyer: Metadata) -> Any:
    """Top up the buyer's wallet by card; return the row of the payment."""
    request = pb.TopUpWalletRequest(amount=usd(str(TOPPED_UP)), idempotency_key="top-up")
    payment_id = (await service.payments.TopUpWallet(request, metadata=buyer)).payment.id
    admin: Any = shop.shop.databases.admin
    row = "select * from orders.payments where id = $1::text::uuid"
    await shop.pay((await admin.fetchrow(row, payment_id))["intent_id"])
    await admin.execute("update orders.payments set next_run_at = now()")
    await shop.shop.databases.until(
        "select state = 'CAPTURED' from orders.payments where id = $1::text::uuid", payment_id
    )
    return await admin.fetchrow(row, payment_id)


async def disputed(shop: PaidShop, row: Any, **how: Any) -> str:
    """Open a dispute as the cardholder's bank does."""
    answer = await shop.provider.control("POST", f"/charges/{row['charge_id']}/dispute", how)
    return str(answer["id"])


async def report(service: Open, shop: PaidShop, row: Any, dispute_id: str, status: str) -> None:
    """Report a dispute three times, and wait until it is recorded with this status."""
    facts = {"intent_id": row["intent_id"], "charge_id": row["charge_id"], "object_id": dispute_id}
    for _ in range(3):
        outcomes = await apply(service, shop, event("charge.dispute.updated", **facts))
        assert outcomes == [pb.PAYMENT_EVENT_OUTCOME_APPLIED]
    await shop.shop.databases.until(
        "select coalesce((select status = $2 from orders.disputes where id = $1), false)",
        dispute_id,
        status,
    )


async def changes(shop: PaidShop) -> list[tuple[str, Decimal]]:
    return [
        (row["kind"], row["available"]) for row in await shop.shop.databases.admin.fetch(ENTRIES)
    ]


async def books_agree(found: CheckedShop) -> None:
    # The payment provider's times are full seconds: a charge may seem older than books that just began.
    await found.force("update orders.books set since = since - interval '1 minute'")
    await found.read_balance()
    differences, _ = await found.check()
    assert differences == []


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_what_is_left_of_a_top_up_is_taken_back(paid_shop: PaidShop, outcome: str) -> None:
    buyer, customer = await buyer_id(paid_shop)
    async with checked(paid_shop, disputes=NO_POLL) as found:
        service = found.service
        row = await topped_up(service, paid_shop, buyer)
        order = (await service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)).order
        await paid_shop.reaches(order.id, "COMPLETED")
        left, _ = await paid_shop.wallet(customer)
        assert 0 < left < TOPPED_UP

        dispute_id = await disputed(paid_shop, row)
        await report(service, paid_shop, row, dispute_id, "needs_response")
        assert await paid_shop.wallet(customer) == (0, 0)
        again = paid_shop.request(WALLET, idempotency_key="another")
        assert await refused(service.orders.CreateOrder(again, metadata=buyer)) == (
            "WALLET_TOO_LOW"
        )
        await books_agree(found)

        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": outcome}
        )
        await report(service, paid_shop, row, dispute_id, outcome)
        won = outcome == "won"
        assert await paid_shop.wallet(customer) == (left if won else 0, 0)
        assert (await changes(paid_shop))[3:] == [
            ("DISPUTE", -left),
            *([("DISPUTE_RETURN", left)] if won else []),
        ]
        await books_agree(found)


async def test_an_inquiry_takes_nothing_and_a_part_takes_only_that(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    async with checked(paid_shop, disputes=NO_POLL) as found:
        row = await topped_up(found.service, paid_shop, buyer)
        dispute_id = await disputed(paid_shop, row, inquiry=True, amount=1500)
        await report(found.service, paid_shop, row, dispute_id, "warning_needs_response")
        assert await paid_shop.wallet(customer) == (TOPPED_UP, 0)
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/escalate", {})
        await report(found.service, paid_shop, row, dispute_id, "needs_response")
        assert await paid_shop.wallet(customer) == (TOPPED_UP - 15, 0)
        assert await changes(paid_shop) == [("TOP_UP", TOPPED_UP), ("DISPUTE", Decimal(-15))]
        await books_agree(found)


async def test_of_a_spent_top_up_nothing_is_taken(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    async with checked(paid_shop, disputes=NO_POLL) as found:
        row = await topped_up(found.service, paid_shop, buyer)
        spent = wanted(customer, str(-TOPPED_UP))
        await found.service.payments.CorrectWallet(spent, metadata=paid_shop.shop.service_key)
        dispute_id = await disputed(paid_shop, row)
        await report(found.service, paid_shop, row, dispute_id, "needs_response")
        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": "won"}
        )
        await report(found.service, paid_shop, row, dispute_id, "won")
        assert await paid_shop.wallet(customer) == (0, 0)
        assert [kind for kind, _ in await changes(paid_shop)] == ["TOP_UP", "CORRECTION"]
        await books_agree(found)


async def test_a_customer_is_not_erased_while_a_top_up_is_disputed(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    erase = orders_pb2.EraseCustomerRequest(customer_id=customer)
    key = paid_shop.shop.service_key
    async with paid_shop.open(disputes=NO_POLL) as service:
        row = await topped_up(service, paid_shop, buyer)
        dispute_id = await disputed(paid_shop, row)
        await report(service, paid_shop, row, dispute_id, "needs_response")
        assert await paid_shop.wallet(customer) == (0, 0)
        call = service.orders.EraseCustomer(erase, metadata=key)
        assert await refused(call) == "PAYMENTS_OPEN"
        resolve = f"/disputes/{dispute_id}/resolve"
        await paid_shop.provider.control("POST", resolve, {"status": "lost"})
        await report(service, paid_shop, row, dispute_id, "lost")
        await service.orders.EraseCustomer(erase, metadata=key)


async def test_what_is_paid_in_later_is_not_taken(paid_shop: PaidShop) -> None:
    """The wallet had nothing when the dispute was reported, so the amount is the shop's loss."""
    buyer, customer = await buyer_id(paid_shop)
    correct = wanted(customer, str(-TOPPED_UP))
    async with checked(paid_shop, disputes=NO_POLL) as found:
        service, key = found.service, paid_shop.shop.service_key
        row = await topped_up(service, paid_shop, buyer)
        await service.payments.CorrectWallet(correct, metadata=key)
        dispute_id = await disputed(paid_shop, row)
        await report(service, paid_shop, row, dispute_id, "needs_response")
        later = wanted(customer, "25", key="later")
        await service.payments.CorrectWallet(later, metadata=key)
        resolve = f"/disputes/{dispute_id}/resolve"
        await paid_shop.provider.control("POST", resolve, {"status": "lost"})
        await report(service, paid_shop, row, dispute_id, "lost")
        assert await paid_shop.wallet(customer) == (25, 0)
        await books_agree(found)
