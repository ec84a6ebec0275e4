"""Buying on account: the credit holds for purchases at once, and follows each order to its end."""

import asyncio
from collections import Counter
from decimal import Decimal

import grpc
import pytest

from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2, payments_pb2
from services.orders.organizations.membership import MemberRole
from services.orders.payments.policy import RefundPolicy
from services.orders.payments.settings import PaymentMode, PaymentSettings
from tests.component.orders.shop import Shop, reaches
from tests.component.orders.statements.on_account import EACH, on_account, refused
from tests.fixtures.organizations import add_member

AT_ONCE = 50
FITS = 7


async def test_a_delivered_order_is_owed(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        assert await found.credit() == (0, EACH)
        assert await found.ledger() == EACH
        account = await found.account()
        assert account.available.units == 9689
        assert account.unbilled == account.owed
        payment = await found.admin.fetchrow("select * from orders.payments")
        assert (payment["method"], payment["state"]) == ("INVOICE", "CAPTURED")
        asked = payments_pb2.BatchGetPaymentsRequest(order_ids=[order.id])
        buyer = found.acme.buyer.metadata
        [shown] = (await found.payments.BatchGetPayments(asked, metadata=buyer)).payments
        assert shown.method == payments_pb2.PAYMENT_METHOD_INVOICE
        assert shown.status == payments_pb2.PAYMENT_STATUS_PAID
        assert await found.differences() == set()


async def test_purchases_at_once_get_exactly_what_fits(shop: Shop) -> None:
    # Each member may have five unfinished orders.
    async with on_account(shop, EACH * FITS) as found:
        members = [
            await add_member(shop.auth, found.acme, MemberRole.BUYER, f"b{n}@example.com")
            for n in range(AT_ONCE // 5)
        ]

        async def buy(n: int) -> str:
            try:
                return (await found.buy(f"key-{n}", members[n % len(members)])).id
            except grpc.aio.AioRpcError as error:
                return from_error(error).reason

        made = await asyncio.gather(*(buy(n) for n in range(AT_ONCE)))
        assert Counter(made)["CREDIT_EXCEEDED"] == AT_ONCE - FITS
        ids = [one for one in made if one != "CREDIT_EXCEEDED"]
        assert len(ids) == FITS
        for one in ids:
            await reaches(shop, one, "COMPLETED")
        assert await found.credit() == (0, EACH * FITS)
        assert await found.ledger() == EACH * FITS
        assert shop.charges == FITS
        failure = await refused(found.buy("onemore", members[0]))
        assert failure.reason == "CREDIT_EXCEEDED"
        assert "can buy for 0 USD on account" in failure.message
        assert failure.details["available"] == "0"
        assert await found.differences() == set()


async def test_a_failed_order_gives_its_credit_back(shop: Shop) -> None:
    async with on_account(shop) as found:
        await shop.fault(method="POST", path="/orders", status=400)
        order = await found.buy("one")
        await reaches(shop, order.id, "FAILED")
        await shop.databases.until("select state = 'RELEASED' from orders.payments")
        assert await found.credit() == (0, 0)
        assert await found.ledger() == 0
        assert await found.differences() == set()


async def test_credit_is_reserved_while_an_order_is_bought(shop: Shop) -> None:
    async with on_account(shop, EACH + 1) as found:
        shop.esims.may_answer.clear()
        order = asyncio.create_task(found.buy("one"))
        await shop.databases.until(
            "select recovery_point = 'PLACED' from orders.esim_orders limit 1"
        )
        assert await found.credit() == (EACH, 0)
        assert (await refused(found.buy("two"))).reason == "CREDIT_EXCEEDED"
        shop.esims.may_answer.set()
        await reaches(shop, (await order).id, "COMPLETED")
        assert await found.credit() == (0, EACH)


async def test_refunds_reduce_what_is_owed(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        answer = await found.refund(order.id, "10.05")
        [refund] = answer.refunds
        assert refund.destination == payments_pb2.REFUND_DESTINATION_INVOICE
        assert refund.state == payments_pb2.REFUND_STATE_SUCCEEDED
        assert await found.credit() == (0, EACH - Decimal("10.05"))
        assert await found.ledger() == EACH - Decimal("10.05")
        for destination in ("CARD", "WALLET", "MANUAL"):
            value = payments_pb2.RefundDestination.Value(f"REFUND_DESTINATION_{destination}")
            failure = await refused(
                found.refund(order.id, 1, destination=value, idempotency_key=destination)
            )
            assert failure.reason == "REFUND_ON_ACCOUNT_ONLY"
        await found.refund(order.id)
        assert await found.credit() == (0, 0)
        assert await found.ledger() == 0
        failure = await refused(found.refund(order.id, 1, idempotency_key="again"))
        assert failure.reason == "REFUND_ABOVE_CAPTURED"
        assert await found.differences() == set()


@pytest.mark.parametrize("to", ["card", "wallet"])
async def test_a_cancelled_order_is_not_owed(shop: Shop, to: str) -> None:
    """Wherever the policy sends money: on account there is none to send."""
    shop.sandbox.world.switches.refunds = True
    policy = RefundPolicy.parse(f"window_days=14,to={to}")
    payments = PaymentSettings(PaymentMode.OFF, refund_policy=policy)
    async with on_account(shop, payments=payments) as found:
        order = await found.bought("one", quantity=2)
        request = orders_pb2.CancelOrderRequest(order_id=order.id)
        await found.orders.CancelOrder(request, metadata=found.acme.buyer.metadata)
        await shop.databases.until(
            "select status = 'REFUNDED' from orders.esim_orders where id = $1::text::uuid", order.id
        )
        assert await found.credit() == (0, 0)
        assert await found.ledger() == 0
        await shop.databases.until("select not exists (select from orders.unposted_orders)")
        assert await found.differences() == set()


@pytest.mark.parametrize("mode", [PaymentMode.OFF, PaymentMode.REQUIRED])
async def test_an_organization_buys_on_account_whether_customers_pay_or_not(
    shop: Shop, mode: PaymentMode
) -> None:
    async with on_account(shop, payments=PaymentSettings(mode)) as found:
        order = await found.bought("one")
        row = await shop.row(order.id)
        assert row["paid_by"] == "CUSTOMER"
        assert await found.credit() == (0, EACH)
        chosen = payments_pb2.PaymentChoice(method=payments_pb2.PAYMENT_METHOD_INVOICE)
        await found.bought("two", payment=chosen)
        assert await found.credit() == (0, EACH * 2)
        for method in (payments_pb2.PAYMENT_METHOD_CARD, payments_pb2.PAYMENT_METHOD_WALLET):
            failure = await refused(
                found.buy("three", payment=payments_pb2.PaymentChoice(method=method))
            )
            assert failure.reason == "PAYMENT_METHOD_NOT_OFFERED"
            assert "INVOICE" in failure.message
        assert await found.credit() == (0, EACH * 2)


async def test_undecided_payments_refuse_organizations_too(shop: Shop) -> None:
    async with on_account(shop, payments=PaymentSettings(PaymentMode.UNDECIDED)) as found:
        assert (await refused(found.buy("one"))).reason == "PAYMENTS_NOT_CONFIGURED"


async def test_a_customer_can_not_buy_on_account(shop: Shop) -> None:
    payments = PaymentSettings(PaymentMode.REQUIRED)
    async with on_account(shop, payments=payments) as found:
        chosen = payments_pb2.PaymentChoice(method=payments_pb2.PAYMENT_METHOD_INVOICE)
        failure = await refused(found.buy("one", organization_id="", payment=chosen))
        assert failure.reason == "PAYMENT_METHOD_NOT_OFFERED"
        assert await found.credit() == (0, 0)


async def test_another_currency_is_refused_in_words(shop: Shop) -> None:
    async with on_account(shop) as found:
        failure = await refused(found.buy("one", currency="EUR"))
        assert failure.reason == "ORGANIZATION_CURRENCY"
        assert "buys in USD" in failure.message
        assert "EUR" in failure.message
        assert await found.credit() == (0, 0)


async def test_a_suspended_organization_buys_nothing(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.change(status="SUSPENDED")
        assert (await refused(found.buy("one"))).reason == "ORGANIZATION_SUSPENDED"
        assert await found.credit() == (0, 0)


async def test_a_lower_limit_counts_at_once_and_keeps_what_is_owed(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        await found.change(credit_limit=Decimal(1))
        assert (await refused(found.buy("two"))).reason == "CREDIT_EXCEEDED"
        account = await found.account()
        assert (account.available.units, account.owed.units) == (0, 310)


async def test_what_was_bought_on_account_stays_so_after_the_billing_changed(shop: Shop) -> None:
    async with on_account(shop) as found:
        shop.esims.may_answer.clear()
        order = asyncio.create_task(found.buy("one"))
        await shop.databases.until(
            "select recovery_point = 'PLACED' from orders.esim_orders limit 1"
        )
        await found.change(billing="PREPAID", credit_limit=Decimal(0))
        shop.esims.may_answer.set()
        await reaches(shop, (await order).id, "COMPLETED")
        assert await found.credit() == (0, EACH)


async def test_the_same_request_twice_takes_the_credit_once(shop: Shop) -> None:
    async with on_account(shop) as found:
        both = await asyncio.gather(found.buy("one"), found.buy("one"))
        assert len({order.id for order in both}) == 1
        await reaches(shop, both[0].id, "COMPLETED")
        assert await found.credit() == (0, EACH)
