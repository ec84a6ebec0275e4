"""What the database refuses, whichever program asks; and what the comparison of the books finds."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import EACH, OnAccount, next_month, on_account

CHANGES = (
    ("update orders.payments set state = 'PAID', captured = amount", "payment on account"),
    ("update orders.payments set state = 'RELEASED', captured = 0", "payment on account"),
    ("update orders.payments set organization_id = null", "who pays cannot change"),
)


@pytest.mark.parametrize(("change", "why"), CHANGES)
async def test_a_payment_on_account_can_not(shop: Shop, change: str, why: str) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        with pytest.raises(Exception, match=why):
            await found.admin.execute(change)
        assert await found.credit() == (0, EACH)


COPY = """
insert into orders.payments (order_id, customer_id, method, amount, wallet_amount, currency, state,
    expires_at, organization_id)
select null, customer_id, 'INVOICE', {amount}, 0, '{currency}', '{state}', expires_at, {organization}
from orders.payments limit 1
"""


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"state": "AWAITING"}, "begins with its credit"),
        ({"organization": "null"}, "invoices_are_of_an_organization"),
        ({}, "invoices_are_of_an_organization"),  # without an order
    ],
)
async def test_a_new_payment_on_account_needs(shop: Shop, values: dict[str, str], why: str) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        fields = {
            "amount": "1",
            "currency": "USD",
            "state": "AUTHORIZED",
            "organization": "organization_id",
        }
        with pytest.raises(Exception, match=why):
            await found.admin.execute(COPY.format(**(fields | values)))
        assert await found.credit() == (0, EACH)


async def insert(found: OnAccount, amount: Any, currency: str = "USD") -> None:
    """Insert a payment for another order, as a program without the service's checks would."""
    order_id = uuid4()
    await found.admin.execute("set session_replication_role = replica")
    await found.admin.execute(
        "create temporary table copied on commit preserve rows as select * from orders.esim_orders limit 1"
    )
    await found.admin.execute(
        "update copied set id = $1, idempotency_key = $2, provider_reference = $2",
        order_id,
        str(order_id),
    )
    await found.admin.execute("insert into orders.esim_orders select * from copied")
    await found.admin.execute("drop table copied")
    await found.admin.execute("reset session_replication_role")
    await found.admin.execute(
        "insert into orders.payments (order_id, customer_id, method, amount, currency, state, expires_at,"
        " organization_id) values ($1, $2, 'INVOICE', $3, $4, 'AUTHORIZED', now(), $5)",
        order_id,
        found.acme.buyer.user_id,
        amount,
        currency,
        UUID(found.acme.id),
    )


async def test_no_program_exceeds_the_credit(shop: Shop) -> None:
    async with on_account(shop, EACH * 2) as found:
        await found.bought("one")
        with pytest.raises(Exception, match="no credit for this order"):
            await insert(found, EACH + 1)
        with pytest.raises(Exception, match="no credit for this order"):
            await insert(found, EACH, "EUR")
        assert await found.credit() == (0, EACH)
        await insert(found, EACH)
        assert await found.credit() == (EACH, EACH)


async def test_a_refund_goes_where_the_order_was_paid(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        with pytest.raises(Exception, match="only one on account goes back on account"):
            await found.admin.execute(
                "insert into orders.refunds (payment_id, order_id, customer_id, amount, currency,"
                " destination, reason, requested_by) select id, order_id, customer_id, 1, currency,"
                " 'WALLET', 'STAFF', 'x'"
                " from orders.payments where order_id = $1::text::uuid",
                order.id,
            )


DIFFERENCES = (
    ("update orders.organizations set credit_owed = credit_owed + 1", "CREDIT_LEDGER_DIFFERS"),
    ("update orders.organizations set credit_reserved = 1", "CREDIT_RESERVED_DIFFERS"),
    ("delete from orders.unbilled", "RECEIVABLE_NOT_BILLED"),
    (
        "insert into orders.unbilled select l.ledger_transaction_id, s.organization_id, l.at"
        " from orders.statement_lines l join orders.statements s on s.id = l.statement_id",
        "RECEIVABLE_BILLED_TWICE",
    ),
    ("update orders.statement_lines set amount = amount + 1", "STATEMENT_LINE_DIFFERS"),
    ("update orders.statement_settlements set amount = amount + 1", "SETTLEMENT_DIFFERS"),
    ("update orders.statements set n = n + 1", "NUMBERS_MISSING"),
    ("update orders.number_series set last = last + 1", "NUMBERS_MISSING"),
    (
        "insert into orders.statement_settlements"
        " (statement_id, kind, amount, key, other_statement_id, actor)"
        " select id, 'CARRIED', 1, 'x', id, 'test' from orders.statements",
        "CARRIED_DIFFERS",
    ),
)


@pytest.mark.parametrize(("change", "code"), DIFFERENCES)
async def test_the_comparison_names_each_difference(shop: Shop, change: str, code: str) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        [statement] = await found.issue(next_month())
        await found.pay(statement, 1)
        await found.bought("two")
        assert await found.differences() == set()
        await found.admin.execute("set session_replication_role = replica")
        await found.admin.execute(change)
        assert code in await found.differences()
