"""Statements are issued by several processes at once, with numbers without gaps, whatever fails."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import OnAccount, next_month, on_account
from tests.fixtures.organizations import create_organization


async def numbers(found: OnAccount) -> list[int]:
    rows = await found.admin.fetch("select n from orders.statements order by n")
    return [row["n"] for row in rows]


async def fail(found: OnAccount, condition: str, error: str) -> None:
    """Let the database refuse statements with an error."""
    await found.admin.execute(
        "create function public.fail() returns trigger language plpgsql as $$ begin"
        f" if {condition} then raise exception {error}; end if; return new; end $$"
    )
    await found.admin.execute(
        "create trigger zz_fail after insert on orders.statements"
        " for each row execute function public.fail()"
    )


async def test_a_statement_that_always_fails_does_not_keep_the_others_waiting(shop: Shop) -> None:
    """Also if the database gives the reason, such as a deadlock or a statement that takes too long."""
    async with on_account(shop) as found:
        order = await found.bought("one")
        other = await create_organization(
            shop.auth, found.channel, "Bolt", roles=(), currency="USD"
        )
        there = OnAccount(**{**vars(found), "acme": other})
        await there.post(order, datetime(2025, 1, 3, tzinfo=UTC), 1)
        await fail(found, "new.month = '2025-01-01'", "using errcode = '57014'")
        async with found.issuing(next_month()) as statements:
            assert await statements.round()
        assert await numbers(found) == [1]
        assert len(await found.listed()) == 1


async def test_numbers_have_no_gaps_when_many_are_issued_at_once(shop: Shop) -> None:
    """Also where a transaction that had a number is rolled back."""
    async with on_account(shop) as found:
        order = await found.bought("one")
        others = [
            await create_organization(
                shop.auth, found.channel, f"Org {n}", roles=(), currency="USD"
            )
            for n in range(6)
        ]
        for n, other in enumerate(others):
            for month in (1, 2, 3):
                there = OnAccount(**{**vars(found), "acme": other})
                await there.post(order, datetime(2025, month, 3 + n, tzinfo=UTC), n + 1)
        async with found.issuing(next_month()) as statements:
            await fail(found, "new.month = '2025-02-01' and random() < 0.5", "'power cut'")
            for _ in range(20):
                done = await asyncio.gather(
                    *(statements.round() for _ in range(4)), return_exceptions=True
                )
                if done == [False] * 4:
                    break
            await found.admin.execute("drop trigger zz_fail on orders.statements")
            while await statements.round():
                pass
        count = 6 * 3 + 1
        assert await numbers(found) == list(range(1, count + 1))
        assert (
            await found.admin.fetchval(
                "select count(distinct (organization_id, month)) from orders.statements"
            )
            == count
        )
        assert await found.admin.fetchval("select count(*) from orders.unbilled") == 0


async def test_one_statement_that_fails_does_not_block_others(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        order = await found.bought("two")
        other = await create_organization(
            shop.auth, found.channel, "Other", roles=(), currency="USD"
        )
        there = OnAccount(**{**vars(found), "acme": other})
        await there.post(order, datetime(2025, 1, 3, tzinfo=UTC), 5)
        await found.admin.execute(
            "create function public.fail() returns trigger language plpgsql as $$ begin"
            " if new.total = 5 then raise exception 'poison'; end if; return new; end $$"
        )
        await found.admin.execute(
            "create trigger zz_fail after insert on orders.statements"
            " for each row execute function public.fail()"
        )
        async with found.issuing(next_month()) as statements:
            assert await statements.round()
            assert not await statements.round(), "it does not try again at once"
        assert f"organization {other.id} is not issued yet" in caplog.text
        assert await numbers(found) == [1]
        await found.admin.execute("drop trigger zz_fail on orders.statements")
        await found.issue(next_month())
        assert await numbers(found) == [1, 2]
