"""Credit notes of a statement and refunds of its orders: together never more than the orders cost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2, payments_pb2
from protos.orders.v1 import statements_pb2 as pb
from services.orders.payments.policy import RefundPolicy
from services.orders.payments.settings import PaymentMode, PaymentSettings
from tests.component.orders.cancellation.cancelling import preview, states
from tests.component.orders.shop import Metadata, Shop, reaches
from tests.component.orders.statements.on_account import (
    EACH,
    OnAccount,
    next_month,
    on_account,
    refused,
)
from tests.component.orders.statements.test_settling import reason

POLICY = RefundPolicy.parse("window_days=14,only_if_not_installed=false")
WAITING = """
select count(*) = $1 from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""
# What went back of all orders and statements.
BACK = """
select (select coalesce(sum(amount), 0) from orders.refunds)
    + (select coalesce(sum(amount), 0) from orders.statement_settlements where kind = 'CREDIT_NOTE')
"""


async def two_on_a_statement(found: OnAccount) -> tuple[list[orders_pb2.Order], pb.Statement]:
    orders = [await found.bought("one"), await found.bought("two")]
    return orders, await found.bill()


def cancel(found: OnAccount, order: orders_pb2.Order, who: Metadata | None = None) -> Any:
    """Cancel an order, by default as the organization's owner."""
    wanted = orders_pb2.CancelOrderRequest(order_id=order.id)
    return found.orders.CancelOrder(wanted, metadata=who or found.owner)


async def refundable(found: OnAccount, order: orders_pb2.Order) -> tuple[Any, str, str]:
    wanted = payments_pb2.BatchGetRefundableRequest(order_ids=[order.id])
    answer = await found.payments.BatchGetRefundable(wanted, metadata=found.owner)
    [one] = answer.refundables
    return money.from_proto(one.amount), one.reason, one.message


@asynccontextmanager
async def locked(found: OnAccount) -> AsyncIterator[None]:
    """Hold the lock on the organization's row, so that everything that needs it begins at once."""
    async with found.shop.databases.open("orders") as database, database.system() as connection:
        await connection.execute(
            "select from orders.organizations where id = $1 for no key update", UUID(found.acme.id)
        )
        yield


async def waiting(found: OnAccount, number: int) -> None:
    await found.shop.databases.until(WAITING, number)


async def test_what_was_credited_is_not_refunded_by_a_cancellation(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        orders, statement = await two_on_a_statement(found)
        await found.give_credit(statement, EACH * 2)
        for order in orders:
            said = (
                f"The statement {statement.number} of this order has the credit note CN-000001: nothing"
                " of it can still go back"
            )
            expected = f"{said}; ask the shop's support"
            assert await refundable(found, order) == (0, "CREDITED", expected)
            offer = await preview(found.orders, found.owner, order)
            assert offer.extent == orders_pb2.CANCELLATION_EXTENT_NOTHING
            failure = await refused(cancel(found, order))
            assert failure.reason == "ORDER_NOT_REFUNDABLE"
            assert failure.details["policy_reason"] == "CREDITED"
            assert failure.message == f"{said}, so it was not cancelled; ask the shop's support"
            assert offer.message == failure.message
            assert states(shop, order) == ["queued"]
            assert (await shop.row(order.id))["cancel_requested_at"] is None
        assert await found.credit() == (0, 0)
        assert await found.differences() == set()


async def test_what_was_refunded_is_not_credited(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        [first, second], statement = await two_on_a_statement(found)
        await cancel(found, first)
        await reaches(shop, first.id, "REFUNDED")
        await found.refund(second.id, "0.05")
        left = EACH - Decimal("0.05")
        for key in ("before", "after"):
            failure = await refused(found.give_credit(statement, left + 1, key=key))
            assert failure.reason == "CREDIT_ABOVE_TOTAL"
            assert failure.details == {"left": "310", "currency": "USD"}
            assert f"At most 310 USD of {statement.number} can still be credited" in failure.message
            # The refunds are on the next statement, and count all the same.
            listed = await found.issue(next_month(next_month()))
            assert [money.from_proto(one.total) for one in listed] == [
                -EACH - Decimal("0.05"),
                EACH * 2,
            ]
        await found.give_credit(statement, left)
        assert await found.credit() == (0, 0)
        assert await found.ledger() == 0
        assert await found.differences() == set()


async def test_the_finance_staff_refunds_at_most_what_was_not_credited(shop: Shop) -> None:
    async with on_account(shop) as found:
        [first, second], statement = await two_on_a_statement(found)
        third = await found.bought("three")
        await found.give_credit(statement, EACH + 10)
        await found.give_credit(statement, 1, key="d")
        failure = await refused(found.refund(first.id, EACH - 5))
        assert failure.reason == "STATEMENT_CREDITED"
        assert failure.details == {"left": "299.05", "currency": "USD"}
        assert failure.message == (
            f"The statement {statement.number} of this order has the credit notes CN-000001, CN-000002:"
            " at most 299.05 USD of it can still go back; refund at most that"
        )
        failure = await refused(found.refund(first.id, EACH + 1))
        assert failure.reason == "REFUND_ABOVE_CAPTURED"
        [whole] = (await found.refund(first.id)).refunds
        assert money.from_proto(whole.amount) == Decimal("299.05")
        again = await found.refund(first.id)
        assert [one.id for one in again.refunds] == [whole.id], "a repeat is not checked again"
        for amount in (1, None):
            failure = await refused(found.refund(second.id, amount))
            assert failure.reason == "STATEMENT_CREDITED"
            assert "nothing of it can still go back" in failure.message
        await found.refund(third.id)  # it will be on the next statement
        assert await found.credit() == (0, 0)
        assert await found.differences() == set()


async def test_a_cancellation_that_still_fits_is_accepted(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        [first, second], statement = await two_on_a_statement(found)
        await found.give_credit(statement, 10)
        assert await refundable(found, first) == (EACH, "", "")
        await cancel(found, first)
        await reaches(shop, first.id, "REFUNDED")
        amount, why, said = await refundable(found, second)
        assert (amount, why) == (0, "CREDITED")
        assert "at most 300.05 USD of it can still go back" in said
        assert (await refused(cancel(found, second))).reason == "ORDER_NOT_REFUNDABLE"
        assert states(shop, second) == ["queued"]
        assert await found.credit() == (0, EACH - 10)
        assert await found.differences() == set()


async def test_an_administrator_cancels_a_credited_order_for_what_is_left(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        [first, second], statement = await two_on_a_statement(found)
        await found.give_credit(statement, EACH + 10)
        admin = await shop.session("admin@example.com", admin=True)
        for order in (first, second):
            await cancel(found, order, admin)
            await reaches(shop, order.id, "CANCELLED")
            assert states(shop, order) == ["revoked"]
        assert await found.admin.fetchval("select sum(amount) from orders.refunds") == EACH - 10
        assert await found.credit() == (0, 0)
        assert await found.differences() == set()


async def test_a_cancellation_under_way_counts_as_refunded(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    settings = PaymentSettings(PaymentMode.OFF, refund_policy=POLICY)
    async with on_account(shop, payments=settings) as found:
        [first, second], statement = await two_on_a_statement(found)
        await found.give_credit(statement, 10)
        shop.esims.may_answer.clear()  # its bundle is revoked, but nothing is refunded yet
        under_way = asyncio.ensure_future(cancel(found, first))
        await shop.databases.until("select state = 'REVOKED' from orders.order_revocations")
        failure = await refused(found.give_credit(statement, EACH, key="more"))
        assert failure.details["left"] == f"{EACH - 10:f}"
        failure = await refused(found.refund(second.id, EACH))
        assert failure.details["left"] == f"{EACH - 10:f}"
        assert (await refused(cancel(found, second))).reason == "ORDER_NOT_REFUNDABLE"
        await found.give_credit(statement, EACH - 10, key="rest")
        shop.esims.may_answer.set()
        await under_way
        await reaches(shop, first.id, "REFUNDED")
        assert await found.credit() == (0, 0)
        assert await found.admin.fetchval(BACK) == statement_total(statement)
        assert await found.differences() == set()


def statement_total(statement: pb.Statement) -> Any:
    return money.from_proto(statement.total)


@pytest.mark.parametrize("credit_first", [True, False], ids=["credit first", "refund first"])
@pytest.mark.parametrize("other", ["cancellation", "refund"])
async def test_of_a_credit_note_and_a_refund_at_once_one_is_refused(
    shop: Shop, other: str, *, credit_first: bool
) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        orders, statement = await two_on_a_statement(found)
        total = statement_total(statement)

        def credit() -> Any:
            return reason(found.give_credit(statement, total))

        def give_back() -> Any:
            one = orders[0]
            return reason(cancel(found, one) if other == "cancellation" else found.refund(one.id))

        both = (credit, give_back) if credit_first else (give_back, credit)
        async with locked(found):
            tasks = []
            for number, start in enumerate(both, 1):
                tasks.append(asyncio.ensure_future(start()))
                await waiting(found, number)
        one, two = await asyncio.gather(*tasks)
        credited, given = (one, two) if credit_first else (two, one)
        assert Counter(why == "" for why in (credited, given)) == {True: 1, False: 1}
        assert credited in ("", "CREDIT_ABOVE_TOTAL")
        assert given in ("", "ORDER_NOT_REFUNDABLE", "STATEMENT_CREDITED")
        if other == "cancellation" and given == "":
            await reaches(shop, orders[0].id, "REFUNDED")
        assert states(shop, orders[0])[0] == (
            "revoked" if other == "cancellation" and given == "" else "queued"
        )
        assert await found.admin.fetchval(BACK) == (EACH if given == "" else total)
        assert await found.differences() == set()


async def test_many_credit_notes_refunds_and_cancellations_never_exceed_the_statement(
    shop: Shop,
) -> None:
    shop.sandbox.world.switches.refunds = True
    async with on_account(shop) as found:
        orders = [await found.bought(f"k{n}") for n in range(4)]
        statement = await found.bill()
        total = statement_total(statement)
        reasons = await asyncio.gather(
            *(reason(found.give_credit(statement, 150, key=f"c{n}")) for n in range(8)),
            *(reason(cancel(found, order)) for order in orders),
            *(reason(found.refund(order.id, 200)) for order in orders),
        )
        assert set(reasons) <= {
            "",
            "CREDIT_ABOVE_TOTAL",
            "ORDER_NOT_REFUNDABLE",
            "STATEMENT_CREDITED",
            "REFUND_ABOVE_CAPTURED",
        }
        await shop.databases.until(
            "select not exists (select from orders.esim_orders"
            " where status = 'COMPLETED' and cancel_requested_at is not null)"
        )
        back = await found.admin.fetchval(BACK)
        assert total - 150 < back <= total
        assert await found.credit() == (0, total - back)
        assert await found.differences() == set()


async def test_a_statement_is_issued_while_one_of_its_orders_is_refunded(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        async with locked(found):
            billing = asyncio.ensure_future(found.bill())
            await waiting(found, 1)
            refunding = asyncio.ensure_future(found.refund(order.id, 10))
            await waiting(found, 2)
        statement, _ = await asyncio.gather(billing, refunding)
        assert statement_total(statement) == EACH
        assert await found.credit() == (0, EACH - 10)
        assert await found.differences() == set()
