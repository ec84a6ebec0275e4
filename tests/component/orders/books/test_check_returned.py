"""The comparison of the books after the platform itself gave back what the payment provider had taken."""

from typing import Any

import pytest

from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from tests.component.orders.books.checked import CheckedShop, checked
from tests.component.orders.payments.paid_shop import RISKY, PaidShop
from tests.component.orders.refunds.bought import at_provider, bought, settled, usd, wanted

RELEASED = "select bool_and(state = 'RELEASED') from orders.payments"


async def returned_top_up(found: CheckedShop, shop: PaidShop) -> None:
    """Let a risky top-up of 20 USD be refunded by the platform."""
    top_up = pb.TopUpWalletRequest(amount=usd("20"), idempotency_key="key-1")
    await found.service.payments.TopUpWallet(top_up, metadata=found.buyer)
    intent = await found.admin.fetchval("select intent_id from orders.payments")
    await shop.pay(intent, RISKY)
    await found.admin.execute("update orders.payments set next_run_at = now()")
    await shop.shop.databases.until(RELEASED)


async def age(found: CheckedShop, shop: PaidShop) -> None:
    """Let the books begin, and the movements of the balance be, two days ago."""
    await found.force("update orders.books set since = since - interval '5 days'")
    for movement in shop.provider.world.balance.values():
        movement.created -= 2 * 86400


async def test_a_top_up_that_was_given_back_is_no_difference(paid_shop: PaidShop) -> None:
    async with checked(paid_shop) as found:
        await returned_top_up(found, paid_shop)
        await age(found, paid_shop)
        await found.read_balance()
        assert await found.codes() == set()
        posted = await found.admin.fetch(
            "select account, sum(amount) as amount from orders.ledger_entries group by account"
        )
        moved = await found.admin.fetchrow(
            "select count(*), sum(amount - fee) as net, sum(fee) as fee from orders.balance_transactions"
        )
    assert moved["count"] == 2
    assert moved["fee"] > 0
    # Stripe keeps its fee, and nothing else is left.
    assert {row["account"]: row["amount"] for row in posted} == {
        "fees": moved["fee"],
        "clearing:stripe": moved["net"],
    }


async def test_what_was_not_given_back_whole_is_reported_once(paid_shop: PaidShop) -> None:
    async with checked(paid_shop) as found:
        await returned_top_up(found, paid_shop)
        await found.force("update orders.books set since = since - interval '1 minute'")
        [refund] = await at_provider(paid_shop)
        await paid_shop.provider.control("POST", f"/refunds/{refund['id']}/fail", {})
        [difference], _ = await found.check()
    assert difference.code == "CHARGE_NOT_CAPTURED"
    assert "20 USD" in difference.message
    assert "refund it there" in difference.message


async def test_an_order_whose_amount_did_not_match_is_no_difference_once_it_is_refunded(
    paid_shop: PaidShop,
) -> None:
    async with checked(paid_shop) as found:
        order_id, intent_id = await paid_shop.bought(found.service, found.buyer)
        intent = paid_shop.provider.world.intents[intent_id]
        intent.capture_method = "automatic"  # as for a method without holds
        intent.amount += 100
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.becomes(order_id, "RELEASED")
        await age(found, paid_shop)
        await found.read_balance()
        _, summary = await found.check()
        assert (await found.codes(), summary.balance_transactions) == (set(), 2)


@pytest.mark.parametrize("before", [None, "0.4"])
async def test_a_cancelled_order_whose_refund_failed_is_reported_until_it_is_refunded(
    paid_shop: PaidShop, before: str | None
) -> None:
    key = paid_shop.shop.service_key
    paid_shop.shop.sandbox.world.switches.refunds = True

    async def refund(found: CheckedShop, amount: str = "", **changes: Any) -> None:
        request = wanted(order.id, amount, **changes)
        await found.service.payments.RefundOrder(request, metadata=key)

    async with checked(paid_shop) as found:
        await found.force("update orders.books set since = since - interval '1 minute'")
        order = await bought(paid_shop, found.service, found.buyer)
        if before:  # a goodwill refund, which is no part of what the cancellation promised
            await refund(found, before)
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)
        answer = await found.service.orders.CancelOrder(cancel, metadata=found.buyer)
        assert answer.message == "The order was cancelled and its price refunded."
        await settled(paid_shop)
        assert await found.codes() == set()

        *_, made = sorted(await at_provider(paid_shop), key=lambda one: int(one["amount"]))
        await paid_shop.provider.control("POST", f"/refunds/{made['id']}/fail", {})
        await found.force(
            "update orders.refunds set next_run_at = now() where reason = 'CANCELLED'"
        )
        await paid_shop.shop.databases.until(
            "select count(*) = 1 from orders.refunds where state = 'FAILED'"
        )
        [difference] = [one for one in (await found.check())[0] if one.books != "PAYMENT_PROVIDER"]
        assert difference.code == "CANCELLED_ORDER_KEEPS_MONEY"
        assert order.id in difference.message
        again = await found.service.orders.CancelOrder(cancel, metadata=found.buyer)
        assert "its refund failed" in again.message
        # It is reported as long as a part is missing.
        await refund(found, "0.5", destination=pb.REFUND_DESTINATION_WALLET)
        assert "CANCELLED_ORDER_KEEPS_MONEY" in await found.codes()
        await refund(found, destination=pb.REFUND_DESTINATION_WALLET)
        assert "CANCELLED_ORDER_KEEPS_MONEY" not in await found.codes()
