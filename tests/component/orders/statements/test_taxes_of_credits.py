"""The tax that credit notes and refunds of a statement give back: never more than it charged."""

from decimal import Decimal
from typing import Any

import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import EACH, OnAccount, next_month, on_account

TAX = Decimal("50.05")
SET_TAX = """
update orders.esim_orders set tax_amount = $2, tax_country = 'DE' where id = $1::text::uuid
"""
POST_TAX = """
with t as (select id from orders.ledger_transactions where key = 'sale:' || $1::text),
less as (
    update orders.ledger_entries e set amount = e.amount + $2 from t
    where e.transaction_id = t.id and e.account = 'revenue'
)
insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
select id, 9, 'tax:DE', - $2::numeric, 'USD' from t
"""
GIVEN = """
select coalesce(sum(e.amount), 0) from orders.ledger_entries e
join orders.ledger_transactions t on t.id = e.transaction_id
where t.kind in ('CREDIT_NOTE', 'REFUND') and e.account like 'tax:%'
"""


async def taxed(found: OnAccount, key: str) -> orders_pb2.Order:
    """Return an order as a price list with the tax of Germany would have sold it."""
    order = await found.bought(key)
    await found.admin.execute("set session_replication_role = replica")
    for statement in (SET_TAX, POST_TAX):
        await found.admin.execute(statement, order.id, TAX)
    await found.admin.execute("reset session_replication_role")
    return order


async def given_back(found: OnAccount) -> Any:
    return await found.admin.fetchval(GIVEN)


async def test_a_credit_note_gives_no_tax_back_that_a_refund_has_given(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await taxed(found, "taxed")
        await found.bought("untaxed")
        [statement] = await found.issue(next_month())
        await found.refund(order.id)
        assert await given_back(found) == TAX
        await found.give_credit(statement, EACH)
        assert await given_back(found) == TAX
        assert await found.differences() == set()


@pytest.mark.parametrize("first", ["0.01", "99.99", "310.05", "465.07"])
async def test_a_refund_gives_no_tax_back_that_a_credit_note_has_given(
    shop: Shop, first: str
) -> None:
    async with on_account(shop) as found:
        order = await taxed(found, "taxed")
        await found.bought("untaxed")
        [statement] = await found.issue(next_month())
        await found.give_credit(statement, first)
        await found.refund(order.id)
        assert await given_back(found) <= TAX
        if rest := EACH * 2 - Decimal(first) - min(EACH, EACH * 2 - Decimal(first)):
            await found.give_credit(statement, rest, key="rest")
            assert await given_back(found) == TAX
        assert await found.differences() == set()


async def test_a_credit_note_returns_tax_of_its_own_statement_only(shop: Shop) -> None:
    """A refund of an earlier order is a line of the statement, with the tax of that order."""
    async with on_account(shop) as found:
        order = await taxed(found, "taxed")
        await found.issue(next_month())
        await found.refund(order.id, "155.02")
        await found.bought("untaxed")
        statement, _ = await found.issue(next_month(next_month()))
        before = await given_back(found)
        await found.give_credit(statement, "155.03")
        assert await given_back(found) == before
        assert await found.differences() == set()
