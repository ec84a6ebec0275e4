"""Wallets: holds and debits are conditional statements that never overdraw."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from kit.db.database import Database
from services.orders.payments.wallets import wallet_store
from tests.component.orders.books import rows
from tests.fixtures.postgres import Databases

WALLET = "select available, held from orders.wallets where id = $1"
ENTRIES = "select kind, available, held, available_after from orders.wallet_entries order by n"


async def filled(database: Database, owner: UUID, amount: str, currency: str = "USD") -> UUID:
    async with database.system() as connection:
        wallet = await wallet_store.get_or_create(connection, owner, currency)
        payment = await rows.top_up(connection, owner, amount, currency)
        await wallet_store.top_up(connection, wallet, Decimal(amount), payment, "test")
    return wallet


async def hold(database: Database, owner: UUID, amount: str, currency: str = "USD") -> UUID | None:
    """Claim an order that the wallet pays; return the payment, or None if the wallet has too little."""
    async with database.system() as connection:
        order = await rows.place(connection, owner, amount, currency)
        payment = await rows.pay(
            connection, order, owner, amount, currency, method="WALLET", wallet=amount
        )
        wallet = await wallet_store.hold(
            connection, owner, currency, Decimal(amount), payment, "test"
        )
        return payment if wallet else None


async def test_50_parallel_holds_of_a_wallet_that_covers_10_are_exactly_10(
    databases: Databases,
) -> None:
    owner = uuid4()
    async with databases.open("orders") as database:
        wallet = await filled(database, owner, "10")
        held = [
            p for p in await asyncio.gather(*(hold(database, owner, "1") for _ in range(50))) if p
        ]
        assert len(held) == 10

        async def debit(payment: UUID) -> None:
            async with database.system() as connection:
                await connection.execute(
                    "select from orders.payments where id = $1 for update", payment
                )
                await wallet_store.debit(connection, payment, "test")

        await asyncio.gather(*(debit(payment) for payment in held * 5))
    assert tuple(await databases.admin.fetchrow(WALLET, wallet) or ()) == (0, 0)
    kinds = [row["kind"] for row in await databases.admin.fetch(ENTRIES)]
    assert (kinds.count("HOLD"), kinds.count("DEBIT"), len(kinds)) == (10, 10, 21)


@pytest.mark.parametrize(("currency", "amount"), [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001")])
async def test_a_released_hold_is_available_again(
    databases: Databases, currency: str, amount: str
) -> None:
    owner = uuid4()
    async with databases.open("orders") as database:
        wallet = await filled(database, owner, amount, currency)
        payment = await hold(database, owner, amount, currency)
        assert payment is not None
        assert await hold(database, owner, amount, currency) is None
        for _ in range(2):
            async with database.system() as connection:
                found = await wallet_store.release(connection, payment, "test")
                assert found == wallet_store.Held(wallet, Decimal(amount))
                # What was released is not taken any more.
                assert await wallet_store.debit(connection, payment, "test") == found
        async with database.system() as connection:
            assert await wallet_store.available(connection, owner, currency) == Decimal(amount)
    entries = [tuple(row) for row in await databases.admin.fetch(ENTRIES)]
    worth = Decimal(amount)
    assert entries == [
        ("TOP_UP", worth, 0, worth),
        ("HOLD", -worth, worth, 0),
        ("RELEASE", worth, -worth, worth),
    ]


async def test_a_top_up_is_credited_once(databases: Databases) -> None:
    owner = uuid4()
    async with databases.open("orders") as database:
        async with database.system() as connection:
            wallet = await wallet_store.get_or_create(connection, owner, "USD")
            payment = await rows.top_up(connection, owner)
            await wallet_store.top_up(connection, wallet, Decimal(10), payment, "test")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with database.system() as connection:
                await wallet_store.top_up(connection, wallet, Decimal(10), payment, "test")
    assert tuple(await databases.admin.fetchrow(WALLET, wallet) or ()) == (10, 0)


async def test_a_correction_does_not_overdraw(databases: Databases) -> None:
    owner = uuid4()
    async with databases.open("orders") as database:
        wallet = await filled(database, owner, "10")
        async with database.system() as connection:
            assert await wallet_store.correct(connection, wallet, Decimal(-4), "paid out", "staff")
            assert not await wallet_store.correct(connection, wallet, Decimal(-7), "again", "staff")
        with pytest.raises(asyncpg.CheckViolationError):
            async with database.system() as connection:
                await wallet_store.correct(connection, wallet, Decimal("0.001"), "", "staff")
    assert tuple(await databases.admin.fetchrow(WALLET, wallet) or ()) == (6, 0)


async def test_one_wallet_for_each_owner_and_currency(databases: Databases) -> None:
    owner = uuid4()

    async def get(currency: str) -> UUID:
        async with database.system() as connection:
            return await wallet_store.get_or_create(connection, owner, currency)

    async with databases.open("orders") as database:
        found = await asyncio.gather(*(get("USD") for _ in range(5)), get("EUR"))
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    "change",
    ["update orders.wallet_entries set available = 1", "delete from orders.wallet_entries"],
)
async def test_an_entry_cannot_be_changed(databases: Databases, change: str) -> None:
    async with databases.open("orders") as database:
        await filled(database, uuid4(), "10")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.system() as connection:
                await connection.execute(change)
    with pytest.raises(asyncpg.CheckViolationError, match="never change"):
        await databases.admin.execute(change)
