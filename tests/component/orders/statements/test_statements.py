"""Statements: each ledger transaction is on exactly one, in the month of the organization's time zone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from kit.values import money, timestamps
from protos.orders.v1 import statements_pb2 as pb
from services.orders.statements.issue import PATIENCE
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import (
    EACH,
    OnAccount,
    next_month,
    on_account,
)


def total(statement: pb.Statement) -> Any:
    return money.from_proto(statement.total)


def left(statement: pb.Statement) -> Any:
    return money.from_proto(statement.left)


async def numbers(found: OnAccount) -> list[int]:
    rows = await found.admin.fetch("select n from orders.statements order by n")
    return [row["n"] for row in rows]


async def test_a_month_becomes_one_statement(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.change(billing_address="Road 1", tax_id="DE136695976", country="DE")
        first = await found.bought("one", customer_reference="PO-77")
        await found.bought("two", quantity=2)
        assert await found.issue(datetime.now(UTC)) == [], "the month is not over"
        end = next_month()
        [statement] = await found.issue(end)
        assert total(statement) == EACH * 3
        assert statement.number == "ST-000001"
        assert statement.status == pb.STATEMENT_STATUS_OPEN
        assert statement.month == datetime.now(UTC).strftime("%Y-%m-01")
        assert timestamps.from_proto(statement.ends_at) == end.replace(hour=0)
        assert (statement.name, statement.billing_address) == ("Acme", "Road 1")
        assert (statement.tax_id, statement.country) == ("DE136695976", "DE")
        assert (statement.issuer, statement.payable_to) == ("Shop Ltd\nMain St 1", "IBAN DE02")
        due = datetime.now(UTC).date() + timedelta(days=14)
        assert statement.due_on == due.isoformat()
        lines = await found.lines(statement)
        assert [line.position for line in lines] == [1, 2]
        assert lines[0].order_id == first.id
        assert (lines[0].reference, lines[0].quantity, lines[0].kind) == ("PO-77", 1, "CHARGE")
        assert lines[0].description
        assert await found.issue(end) == [statement], "issued once"
        assert (await found.account()).unbilled.units == 0
        assert await found.differences() == set()
        # What the organization is called now does not change what was issued.
        await found.change(name="Other", billing_address="", tax_id="")
        assert await found.listed() == [statement]


async def test_a_month_without_purchases_has_no_statement_and_no_number(shop: Shop) -> None:
    async with on_account(shop) as found:
        assert await found.issue(next_month()) == []
        order = await found.bought("one")
        past = datetime(2025, 3, 10, tzinfo=UTC)
        await found.post(order, past, 5)
        issued = await found.issue(next_month())
        assert [one.month[:7] for one in issued] == [f"{datetime.now(UTC):%Y-%m}", "2025-03"]
        assert await numbers(found) == [1, 2]


@pytest.mark.parametrize(
    ("zone", "month", "starts", "ends"),
    [
        # Daylight saving time ends on 26 October, before the month does.
        ("Europe/Berlin", "2025-10-01", "2025-09-30T22:00", "2025-10-31T23:00"),
        ("Europe/Berlin", "2025-03-01", "2025-02-28T23:00", "2025-03-31T22:00"),
        ("America/St_Johns", "2025-11-01", "2025-11-01T02:30", "2025-12-01T03:30"),
        ("Asia/Kolkata", "2025-02-01", "2025-01-31T18:30", "2025-02-28T18:30"),
        ("Asia/Kathmandu", "2024-02-01", "2024-01-31T18:15", "2024-02-29T18:15"),
        # Midnight of 1 October 2017 did not exist there.
        ("America/Asuncion", "2017-09-01", "2017-09-01T04:00", "2017-10-01T04:00"),
        ("America/Asuncion", "2017-10-01", "2017-10-01T04:00", "2017-11-01T03:00"),
        # Midnight of 1 November 2020 came twice there.
        ("America/Havana", "2020-10-01", "2020-10-01T04:00", "2020-11-01T04:00"),
        ("America/Havana", "2020-11-01", "2020-11-01T04:00", "2020-12-01T05:00"),
    ],
)
async def test_months_end_at_midnight_of_the_organization(
    shop: Shop, zone: str, month: str, starts: str, ends: str
) -> None:
    first, end = (datetime.fromisoformat(f"{one}:00+00:00") for one in (starts, ends))
    instant = timedelta(microseconds=1)
    async with on_account(shop, time_zone=zone) as found:
        order = await found.bought("one")
        for n, at in enumerate((first - instant, first, end - instant, end), 1):
            await found.post(order, at, n)
        # On the last day of a month, the next one may have begun there.
        issued = {one.month: one for one in await found.issue(next_month(next_month()))}
        statement = issued[month]
        assert total(statement) == 2 + 3
        assert timestamps.from_proto(statement.starts_at) == first
        assert timestamps.from_proto(statement.ends_at) == end
        assert sum(map(total, issued.values())) == 1 + 2 + 3 + 4 + EACH


async def test_a_statement_waits_until_the_month_is_over_there(shop: Shop) -> None:
    async with on_account(shop, time_zone="America/St_Johns") as found:
        order = await found.bought("one")
        await found.post(order, datetime(2025, 6, 30, 12, tzinfo=UTC), 5)
        end = datetime(2025, 7, 1, 2, 30, tzinfo=UTC)
        assert await found.issue(end + PATIENCE - timedelta(seconds=1)) == []
        assert [total(one) for one in await found.issue(end + PATIENCE)] == [5]


async def test_what_is_committed_late_is_on_the_next_statement(shop: Shop) -> None:
    """A transaction that began in the old month, and ends after its statement was issued."""
    async with on_account(shop) as found:
        order = await found.bought("one")
        in_june = datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC)
        await found.post(order, in_june, 5)
        late = await asyncpg.connect(shop.databases.admin_url)
        transaction = late.transaction()
        await transaction.start()
        await found.post(order, in_june, 7, connection=late)
        [june] = await found.issue(datetime(2025, 7, 1, 1, tzinfo=UTC))
        assert total(june) == 5
        await transaction.commit()
        await late.close()
        assert await found.issue(datetime(2025, 7, 20, tzinfo=UTC)) == [june]
        july, _ = await found.issue(datetime(2025, 8, 1, 1, tzinfo=UTC))
        assert (july.month, total(july)) == ("2025-07-01", 7)
        [line] = await found.lines(july)
        assert timestamps.from_proto(line.at) == in_june


async def test_a_new_time_zone_bills_nothing_twice(shop: Shop) -> None:
    async with on_account(shop, time_zone="Pacific/Auckland") as found:
        order = await found.bought("one")
        for day in (1, 15, 30, 31):
            for hour in (1, 13, 23):
                await found.post(order, datetime(2025, 5, day, hour, tzinfo=UTC), 1)
        await found.issue(datetime(2025, 5, 31, 13, tzinfo=UTC))
        await found.change(time_zone="Pacific/Honolulu")
        await found.issue(datetime(2025, 6, 1, 11, tzinfo=UTC))
        await found.change(time_zone="UTC")
        issued = await found.issue(next_month())
        assert sum(map(total, issued)) == 12 + EACH
        assert sum(one.line_count for one in issued) == 13


async def test_an_order_refunded_after_its_month_reduces_the_next_statement(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        end = next_month()
        [first] = await found.issue(end)
        await found.refund(order.id, "10.05")
        await found.bought("two")
        assert await found.listed() == [first], "what was issued stays as it is"
        later = next_month(end)
        second, again = await found.issue(later)
        assert again == first
        assert total(second) == EACH - Decimal("10.05")
        kinds = [(one.kind, money.from_proto(one.amount)) for one in await found.lines(second)]
        assert kinds == [("REFUND", Decimal("-10.05")), ("CHARGE", EACH)]
        assert await found.credit() == (0, EACH * 2 - Decimal("10.05"))
        assert await found.differences() == set()


async def test_more_refunded_than_bought_is_taken_off_what_is_open(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        end = next_month()
        [first] = await found.issue(end)
        await found.refund(order.id, 100)
        later = next_month(end)
        second, first = await found.issue(later)
        assert (total(second), left(second)) == (-100, 0)
        assert second.status == pb.STATEMENT_STATUS_PAID
        assert (total(first), left(first)) == (EACH, EACH - 100)
        [carried] = first.settlements
        assert (carried.kind, carried.other_number) == ("CARRIED", second.number)
        assert await found.credit() == (0, EACH - 100)
        assert await found.differences() == set()


async def test_what_the_shop_owes_is_taken_off_the_next_statement(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        end = next_month()
        [first] = await found.issue(end)
        await found.pay(first, EACH)
        await found.refund(order.id)
        later = next_month(end)
        second, _ = await found.issue(later)
        assert (total(second), left(second)) == (-EACH, -EACH)
        assert await found.credit() == (0, -EACH)
        assert (await found.account()).available.units == 10_310
        await found.bought("two", quantity=2)
        third, second, _ = await found.issue(next_month(later))
        assert (total(third), left(third)) == (EACH * 2, EACH)
        assert left(second) == 0
        assert await found.credit() == (0, EACH)
        assert await found.differences() == set()


async def test_tax_is_in_the_lines(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        order_id = UUID(order.id)
        # As a price list with a tax would have sold it.
        await found.admin.execute("set session_replication_role = replica")
        await found.admin.execute(
            "update orders.esim_orders set tax_amount = 10.05, tax_country = 'DE' where id = $1",
            order_id,
        )
        await found.admin.execute(
            "with t as (select id from orders.ledger_transactions where key = 'sale:' || $1::text),"
            " less as (update orders.ledger_entries e set amount = e.amount + 10.05 from t"
            "  where e.transaction_id = t.id and e.account = 'revenue')"
            " insert into orders.ledger_entries (transaction_id, n, account, amount, currency)"
            " select id, 9, 'tax:DE', -10.05, 'USD' from t",
            order.id,
        )
        await found.admin.execute("reset session_replication_role")
        await found.refund(order.id, "155.02")
        [statement] = await found.issue(next_month())
        charge, refund = await found.lines(statement)
        assert (money.from_proto(charge.tax), charge.tax_country) == (Decimal("10.05"), "DE")
        assert (money.from_proto(refund.tax), refund.tax_country) == (Decimal("-5.02"), "DE")
        assert money.from_proto(statement.tax) == Decimal("5.03")
        await found.give_credit(statement, "50")
        await found.give_credit(statement, left(statement) - 50, key="rest")
        given = await found.admin.fetchval(
            "select sum(e.amount) from orders.ledger_entries e join orders.ledger_transactions t"
            " on t.id = e.transaction_id where t.kind = 'CREDIT_NOTE' and e.account = 'tax:DE'"
        )
        assert given == Decimal("5.03"), "rounded once, over all credit notes"
        [seen] = await found.listed()
        taxes = [money.from_proto(one.tax) for one in seen.settlements]
        assert sum(taxes) == given
        assert await found.differences() == set()
