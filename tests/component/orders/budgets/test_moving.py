"""Reservations of purchases that have no order yet: many at once, taken over by orders, and released."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kit.db.database import Database
from kit.errors import Failure
from services.orders.budgets import reserve
from services.orders.organizations import membership
from services.orders.organizations.membership import Membership
from tests.fixtures.postgres import Databases

ORGANIZATION = """
with made as (
    insert into orders.organizations (name, currency, billing, time_zone, created_by)
    values ('Acme', $2, 'CARD', 'Europe/Berlin', 'test') returning id
),
joined as (
    insert into orders.members (organization_id, user_id, role, added_by)
    select id, $1, 'BUYER', 'test' from made
)
select id from made
"""
BUDGET = """
insert into orders.budgets (organization_id, scope, user_id, period, amount, created_by, updated_by)
values ($1, $2, $3, $4, $5, 'test', 'test') returning id
"""
PERIOD = "select spent, reserved from orders.budget_periods where budget_id = $1"
ROWS = """
select purchase_id, amount, state from orders.budget_reservations where budget_id = $1
"""


@dataclass
class Ground:
    """An organization with a budget of its own and one of its only member."""

    database: Database
    databases: Databases
    member: Membership
    month: UUID
    own: UUID

    async def reserve(self, *amounts: str) -> list[UUID]:
        planned = {uuid4(): Decimal(amount) for amount in amounts}
        async with self.database.system() as connection:
            await reserve.reserve_all(connection, self.member, None, self.member.user_id, planned)
        return list(planned)

    async def move(self, planned: UUID, amount: str) -> UUID:
        order = uuid4()
        async with self.database.system() as connection:
            await reserve.move(connection, planned, order, Decimal(amount))
        return order

    async def release(self, purchase: UUID) -> None:
        async with self.database.system() as connection:
            await reserve.release(connection, purchase)

    async def taken(self) -> list[tuple[Any, ...]]:
        """Return what is spent and reserved of both budgets."""
        admin = self.databases.admin
        return [
            tuple(await admin.fetchrow(PERIOD, budget) or (0, 0))
            for budget in (self.month, self.own)
        ]


@pytest.fixture
async def ground(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """Its currency is EUR, or the parameter."""
    user, currency = uuid4(), getattr(request, "param", "EUR")
    async with databases.open("orders") as database:
        async with database.system() as connection:
            acme = await connection.fetchval(ORGANIZATION, user, currency)
            month = await connection.fetchval(BUDGET, acme, "ORGANIZATION", None, "MONTH", 100)
            own = await connection.fetchval(BUDGET, acme, "MEMBER", user, "NONE", 60)
            member = await membership.find(connection, acme, user)
        yield Ground(database, databases, member, month, own)


async def test_many_purchases_are_reserved_or_none(ground: Ground) -> None:
    await ground.reserve("10", "20", "30")
    assert await ground.taken() == [(0, 60), (0, 60)]
    with pytest.raises(Failure) as refused:
        await ground.reserve("0.01", "0")
    assert refused.value.reason == "BUDGET_EXCEEDED"
    assert refused.value.details == {
        "budget_id": str(ground.own),
        "scope": "MEMBER",
        "left": "0",
        "currency": "EUR",
    }
    assert "has 0 EUR left, and this takes 0.01" in refused.value.message
    assert await ground.taken() == [(0, 60), (0, 60)]
    await ground.reserve()
    await ground.reserve("0")
    rows = await ground.databases.admin.fetch(ROWS, ground.month)
    assert sorted(row["amount"] for row in rows) == [0, 10, 20, 30]


async def test_an_order_takes_over_what_was_reserved_for_it(ground: Ground) -> None:
    [same, less, more] = await ground.reserve("10", "10", "10")
    await ground.move(same, "10")
    assert await ground.taken() == [(0, 30), (0, 30)]
    order = await ground.move(less, "7.5")
    assert await ground.taken() == [(0, Decimal("27.5"))] * 2
    await ground.move(more, "40")
    assert await ground.taken() == [(0, Decimal("57.5"))] * 2
    # The part of the batch holds nothing any more.
    await ground.move(less, "50")
    await ground.release(less)
    assert await ground.taken() == [(0, Decimal("57.5"))] * 2
    await ground.release(order)
    await ground.release(order)
    assert await ground.taken() == [(0, 50), (0, 50)]


async def test_an_order_that_costs_more_than_is_left_is_refused(ground: Ground) -> None:
    [planned, _] = await ground.reserve("10", "45")
    with pytest.raises(Failure) as refused:
        await ground.move(planned, "15.01")
    assert refused.value.details["left"] == "5"
    assert "has 5 EUR left, and this takes 5.01" in refused.value.message
    assert await ground.taken() == [(0, 55), (0, 55)]
    await ground.move(planned, "15")
    assert await ground.taken() == [(0, 60), (0, 60)]


async def test_parallel_changes_wait_for_one_another_and_none_is_lost(ground: Ground) -> None:
    planned = [(await ground.reserve("1"))[0] for _ in range(20)]

    async def change(number: int, purchase: UUID) -> None:
        if number % 2:
            await ground.release(purchase)
        else:
            await ground.move(purchase, "2")

    changes = [change(n, purchase) for n, purchase in enumerate(planned)]
    more = [ground.reserve("1") for _ in range(10)]
    results = await asyncio.gather(*changes, *more, return_exceptions=True)
    assert [r for r in results if isinstance(r, BaseException)] == []
    assert await ground.taken() == [(0, 30), (0, 30)]


async def test_a_settled_reservation_can_not_change(ground: Ground) -> None:
    [planned] = await ground.reserve("10")
    await ground.release(planned)
    for change in (
        "state = 'RESERVED', settled_at = null",
        "amount = 1",
        "purchase_id = budget_id",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="a settled reservation cannot"):
            await ground.databases.admin.execute(f"update orders.budget_reservations set {change}")  # noqa: S608 - constants


# Prices have the decimal places that CLDR has for their currency: forints have none.
@pytest.mark.parametrize(
    ("ground", "returned", "back"),
    [
        ("EUR", 1, "16.67"),
        ("EUR", 2, "33.33"),
        ("EUR", 3, "50"),
        ("HUF", 1, "17"),
        ("HUF", 2, "33"),
    ],
    indirect=["ground"],
)
async def test_what_returned_bundles_give_back_has_the_decimal_places_of_prices(
    ground: Ground, returned: int, back: str
) -> None:
    [purchase] = await ground.reserve("50")
    async with ground.database.system() as connection:
        await reserve.give_back(connection, purchase, returned, 3)  # not completed yet
        await connection.execute("select orders.settle_budgets($1, 'SPENT', null)", purchase)
        await reserve.give_back(connection, purchase, returned, 3)
        await reserve.give_back(connection, purchase, returned, 3)
    spent = 50 - Decimal(back)
    assert await ground.taken() == [(spent, 0), (spent, 0)]
