"""Posting to the ledger: once for each act, balanced, and for good."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from kit.db.database import Database
from kit.values import currencies
from services.orders.books import store
from services.orders.books.posting import Entry, Posting, PostingKind, digits
from services.orders.books.store import PostedDifferentlyError
from tests.fixtures.postgres import Databases


def posting(key: str = "correction:1", amount: str = "5", currency: str = "USD") -> Posting:
    sides = (("losses", Decimal(amount)), (f"wallet:{uuid4()}", -Decimal(amount)))
    return Posting(
        PostingKind.CORRECTION,
        key,
        tuple(Entry(account, sum_, currency) for account, sum_ in sides),
    )


async def post(database: Database, *wanted: Posting | None) -> frozenset[str]:
    async with database.system() as connection:
        return await store.post(connection, *wanted, actor="test")


async def count(databases: Databases) -> tuple[int, int]:
    row = await databases.admin.fetchrow(
        "select (select count(*) from orders.ledger_transactions) as acts,"
        " (select count(*) from orders.ledger_entries) as entries"
    )
    assert row is not None
    return row["acts"], row["entries"]


async def test_an_act_is_posted_once_however_often_it_is_repeated(databases: Databases) -> None:
    async with databases.open("orders") as database:
        wanted = posting()
        results = await asyncio.gather(*(post(database, wanted) for _ in range(8)))
        assert sorted(len(new) for new in results) == [0] * 7 + [1]
    assert await count(databases) == (1, 2)


async def test_the_same_act_with_other_entries_is_an_error(databases: Databases) -> None:
    async with databases.open("orders") as database:
        await post(database, posting(amount="5"))
        with pytest.raises(PostedDifferentlyError):
            await post(database, posting(amount="6"))
        other = replace(posting(), kind=PostingKind.SALE)
        with pytest.raises(PostedDifferentlyError):
            await post(database, other)
    assert await count(databases) == (1, 2)


async def test_several_acts_are_posted_in_one_statement(databases: Databases) -> None:
    async with databases.open("orders") as database:
        assert await post(database, None) == frozenset()
        first, second = posting("correction:1"), posting("correction:2", "0.001", "KWD")
        assert await post(database, first, None, second) == {"correction:1", "correction:2"}
        async with database.system() as connection:
            found = await store.posted(connection, ["correction:2"])
    kind, entries = found["correction:2"]
    assert second.equals(kind, entries)


@pytest.mark.parametrize(
    "entries",
    [
        (Entry("cost", Decimal(5), "USD"), Entry("fees", Decimal(-4), "USD")),
        (Entry("cost", Decimal(5), "USD"), Entry("fees", Decimal(-5), "EUR")),
        (Entry("cost", Decimal("0.5"), "JPY"), Entry("fees", Decimal("-0.5"), "JPY")),
        (Entry("cost", Decimal("0.001"), "USD"), Entry("fees", Decimal("-0.001"), "USD")),
        (),
    ],
)
async def test_the_database_refuses_what_does_not_balance_or_has_too_many_digits(
    databases: Databases, entries: tuple[Entry, ...]
) -> None:
    async with databases.open("orders") as database:
        with pytest.raises(asyncpg.CheckViolationError):
            await post(database, Posting(PostingKind.COST, "cost:1", entries))
    assert await count(databases) == (0, 0)


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries"])
@pytest.mark.parametrize("change", ["update orders.{} set {} = {}", "delete from orders.{}"])
async def test_the_ledger_cannot_be_changed(databases: Databases, table: str, change: str) -> None:
    column = "kind" if table == "ledger_transactions" else "account"
    async with databases.open("orders") as database:
        await post(database, posting())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.system() as connection:
                await connection.execute(change.format(table, column, column))
    with pytest.raises(asyncpg.CheckViolationError, match="never change"):
        await databases.admin.execute(change.format(table, column, column))


async def test_prices_in_all_currencies_fit_the_ledger(databases: Databases) -> None:
    rows = await databases.admin.fetch(
        "select code, orders.currency_digits(code) as digits from unnest($1::text[]) as code",
        sorted(currencies._tender(ended=True)),
    )
    assert [r["code"] for r in rows if digits(r["code"]) != r["digits"]] == []
    assert [r["code"] for r in rows if currencies.digits(r["code"]) > r["digits"]] == []
