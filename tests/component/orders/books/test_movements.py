"""Movements of the payment provider's balance: recorded and posted once, also in another currency."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from services.orders.books.movements import Movements
from services.orders.payments.port import BalanceTransaction
from tests.component.orders.books import rows
from tests.fixtures.postgres import Databases

NOW = datetime.now(UTC)
LEDGER = """
select account, currency, sum(amount) as amount from orders.ledger_entries
group by account, currency having sum(amount) <> 0
"""


def movement(id_: str, amount: str, fee: str = "0", **changes: Any) -> BalanceTransaction:
    fields: dict[str, Any] = {
        "kind": "charge",
        "source_id": "ch_1",
        "intent_id": "pi_1",
        "currency": "USD",
        "exchange_rate": Decimal("1.087"),
        "at": NOW,
    }
    return BalanceTransaction(
        id=id_, amount=Decimal(amount), fee=Decimal(fee), **(fields | changes)
    )


class Balance:
    """Reports these movements, the newest first; the read after `fails_after` of them fails, once."""

    def __init__(self, *movements: BalanceTransaction, fails_after: int | None = None) -> None:
        self.movements = sorted(movements, key=lambda one: one.at, reverse=True)
        self.fails_after = fails_after
        self.read: list[tuple[datetime, datetime]] = []

    async def balance_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[BalanceTransaction]:
        self.read.append((since, until))
        for one in self.movements:
            if not since <= one.at < until:
                continue
            if self.fails_after == 0:
                self.fails_after = None
                raise Failure(Kind.UNAVAILABLE, "PAYMENT_PROVIDER_UNREACHABLE", "away")
            if self.fails_after is not None:
                self.fails_after -= 1
            yield one


async def balances(databases: Databases) -> dict[tuple[str, str], Decimal]:
    found = await databases.admin.fetch(LEDGER)
    return {(row["account"], row["currency"]): row["amount"] for row in found}


async def paid(databases: Databases, intent: str | None = "pi_1") -> None:
    """Record a top-up of 10 EUR that was taken as pi_1."""
    async with databases.open("orders") as database, database.system() as connection:
        payment = await rows.top_up(connection, uuid4(), "10", "EUR")
        await connection.execute(
            "update orders.payments set state = 'CAPTURED', captured = amount, intent_id = $2,"
            " next_run_at = null where id = $1",
            payment,
            intent,
        )


async def test_a_payment_that_is_settled_in_another_currency(databases: Databases) -> None:
    await paid(databases)
    await databases.admin.execute(
        "insert into orders.refunds (payment_id, customer_id, amount, currency, destination, reason,"
        " requested_by, provider_id, next_run_at) select id, customer_id, 4, 'EUR', 'CARD', 'STAFF', 't',"
        " 're_1', null from orders.payments"
    )
    port: Any = Balance(
        movement("txn_1", "10.87", "0.62"),
        movement("txn_2", "-4.35", kind="refund", source_id="re_1"),
        movement("txn_3", "99", "3", intent_id="pi_of_another_program"),
        movement("txn_4", "-50", kind="payout", intent_id=""),
    )
    async with databases.open("orders") as database:
        for _ in range(2):
            await Movements(database, port).read(port, NOW)
    assert await balances(databases) == {
        ("fees", "USD"): Decimal("0.62"),
        ("clearing:stripe", "USD"): Decimal("5.90"),
        ("fx", "USD"): Decimal("-6.52"),
        ("clearing:stripe", "EUR"): Decimal(-6),
        ("fx", "EUR"): Decimal(6),
    }
    posted = await databases.admin.fetch(
        "select id from orders.balance_transactions where posted_at is not null order by id"
    )
    assert [row["id"] for row in posted] == ["txn_1", "txn_2"]
    assert await databases.admin.fetchval("select count(*) from orders.balance_transactions") == 4


async def test_a_movement_waits_for_the_act_that_it_is_about(databases: Databases) -> None:
    await paid(databases)
    port: Any = Balance(movement("txn_1", "-10", "15", kind="dispute", source_id="dp_1"))
    async with databases.open("orders") as database:
        movements = Movements(database, port)
        await movements.read(port, NOW)
        assert await balances(databases) == {}
        await databases.admin.execute(
            "insert into orders.disputes (id, payment_id, amount, currency, status, created_at, withdrawn)"
            " select 'dp_1', id, 9, 'EUR', 'lost', now(), true from orders.payments"
        )
        await movements.read(port, NOW)
    found = await balances(databases)
    assert found[("fees", "USD")] == 15
    assert found[("fx", "EUR")] == -9


async def test_a_movement_that_is_recorded_before_its_payment_is_known(
    databases: Databases,
) -> None:
    await paid(databases, intent=None)
    port: Any = Balance(movement("txn_1", "10", "0.62", currency="EUR", exchange_rate=None))
    async with databases.open("orders") as database:
        movements = Movements(database, port)
        await movements.read(port, NOW)
        assert await balances(databases) == {}
        await databases.admin.execute("update orders.payments set intent_id = 'pi_1'")
        for _ in range(2):
            await movements.read(port, NOW)
    assert await balances(databases) == {
        ("fees", "EUR"): Decimal("0.62"),
        ("clearing:stripe", "EUR"): Decimal("-0.62"),
    }


async def test_one_process_reads_the_balance_when_it_is_time(databases: Databases) -> None:
    await paid(databases)
    port: Any = Balance(movement("txn_1", "10.87", at=NOW - timedelta(hours=5)))
    async with databases.open("orders") as database:
        movements = Movements(database, port)
        await movements.round()
        first = len(port.read)
        await movements.round()
        assert len(port.read) == first
        await databases.admin.execute("update orders.books set balance_due_at = now()")
        await movements.round()
        await Movements(database, None).round()
    # From the newest one that is recorded, less an overlap.
    assert port.read[first][0] == NOW - timedelta(hours=5) - timedelta(days=2)


async def test_a_read_that_is_interrupted_leaves_no_hole(databases: Databases) -> None:
    await databases.admin.execute("update orders.books set since = now() - interval '6 days'")
    hours = timedelta(hours=6)
    spread = [movement(f"txn_{n}", "1", intent_id="", at=NOW - n * hours / 12) for n in range(250)]
    port: Any = Balance(*spread, fails_after=220)
    async with databases.open("orders") as database:
        movements = Movements(database, port)
        with pytest.raises(Failure):
            await movements.round()
        await databases.admin.execute("update orders.books set balance_due_at = now()")
        await movements.round()
    assert await databases.admin.fetchval("select count(*) from orders.balance_transactions") == 250


async def test_what_is_recorded_is_posted_even_if_the_read_fails(databases: Databases) -> None:
    await paid(databases)
    charge = movement("txn_1", "10", "0.62", currency="EUR", at=NOW - timedelta(hours=7))
    port: Any = Balance(charge, movement("txn_2", "1"), fails_after=1)
    async with databases.open("orders") as database:
        with pytest.raises(Failure):
            await Movements(database, port).read(port, NOW)
    assert (await balances(databases))["fees", "EUR"] == Decimal("0.62")


async def test_a_charge_waits_until_its_payment_is_recorded_or_given_back(
    databases: Databases,
) -> None:
    """For what is given back without being credited nothing is posted, so nothing is exchanged."""
    await paid(databases)
    await databases.admin.execute(
        "set session_replication_role = replica;"
        " update orders.payments set state = 'AWAITING', captured = 0;"
        " reset session_replication_role"
    )
    port: Any = Balance(movement("txn_1", "10.87", "0.62"))
    async with databases.open("orders") as database:
        movements = Movements(database, port)
        await movements.read(port, NOW)
        assert await balances(databases) == {}
        await databases.admin.execute("update orders.payments set state = 'RELEASED'")
        await movements.read(port, NOW)
    found = await balances(databases)
    assert found[("fees", "USD")] == Decimal("0.62")
    assert ("clearing:stripe", "EUR") not in found


async def test_a_dispute_in_another_currency_than_its_payment(databases: Databases) -> None:
    """As the dispute itself is posted in its currency, nothing is exchanged."""
    await paid(databases)
    await databases.admin.execute(
        "insert into orders.disputes (id, payment_id, amount, currency, status, created_at, withdrawn)"
        " select 'dp_1', id, 10, 'USD', 'lost', now(), true from orders.payments"
    )
    port: Any = Balance(movement("txn_1", "-10", "15", kind="dispute", source_id="dp_1"))
    async with databases.open("orders") as database:
        await Movements(database, port).read(port, NOW)
    assert await balances(databases) == {
        ("fees", "USD"): Decimal(15),
        ("clearing:stripe", "USD"): Decimal(-15),
    }
