"""Who sets and sees budgets, and which are refused."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kit.rpc.errors import from_error
from kit.values import money
from protos.orders.v1 import budgets_pb2 as pb
from services.orders.budgets.change import MAX_BUDGETS
from services.orders.organizations.membership import MemberRole
from tests.component.orders.budgets.buying_for import (
    EACH,
    GROUP,
    MEMBER,
    MONTH,
    NONE,
    ORGANIZATION,
    YEAR,
    Company,
    company,
    group_of,
    refusal,
    refused,
)
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import create_organization


async def delete(acme: Company, budget: pb.Budget, who: Any) -> pb.Budget:
    request = pb.DeleteBudgetRequest(budget_id=budget.id)
    return (await acme.budgets.DeleteBudget(request, metadata=who)).budget


async def test_a_budget_is_set_again_for_the_same_purchases_and_period(shop: Shop) -> None:
    async with company(shop) as acme:
        first = await acme.set_budget(100, warn_percent=80)
        again = await acme.set_budget(200)
        assert (again.id, again.warn_percent) == (first.id, 0)
        assert money.from_proto(again.left) == 200
        year = await acme.set_budget(100, period=YEAR)
        assert year.id != first.id
        ever = await acme.set_budget(None, period=NONE)
        assert (ever.HasField("amount"), ever.HasField("left")) == (False, False)
        assert (ever.starts_on, ever.ends_on) == ("", "")
        assert [b.id for b in await acme.list_budgets()] == [first.id, year.id, ever.id]
        # In December a month and its year end on the same day.
        assert year.starts_on <= first.starts_on < first.ends_on <= year.ends_on
        assert first.starts_on[-2:] == first.ends_on[-2:] == "01"
        assert year.starts_on[4:] == year.ends_on[4:] == "-01-01"


async def test_two_managers_at_once_set_one_budget(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        found = await asyncio.gather(
            *(
                acme.set_budget(100 + n, metadata=who.metadata)
                for n, who in enumerate((people.owner, people.manager) * 4)
            )
        )
        assert len({budget.id for budget in found}) == 1
        assert len(await acme.list_budgets()) == 1


async def test_an_organization_has_no_more_budgets_than_are_listed_at_once(shop: Shop) -> None:
    async with company(shop) as acme:
        first = await acme.set_budget(100)
        await shop.databases.admin.execute(
            "insert into orders.budgets"
            " (organization_id, scope, user_id, period, created_by, updated_by)"
            " select organization_id, 'MEMBER', gen_random_uuid(), period, created_by, updated_by"
            " from orders.budgets, generate_series(2, $1)",
            MAX_BUDGETS,
        )
        assert len(await acme.list_budgets()) == MAX_BUDGETS
        assert await refusal(acme.set_budget(100, period=YEAR)) == "TOO_MANY_BUDGETS"
        assert (await acme.set_budget(200)).id == first.id
        await delete(acme, first, acme.acme.owner.metadata)
        await acme.set_budget(100, period=YEAR)
        assert len(await acme.list_budgets()) == MAX_BUDGETS


async def test_a_budget_is_not_lowered_below_what_is_taken(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000)
        await acme.buy(acme.acme.buyer, "one")
        failure = from_error(await refused(acme.set_budget(EACH - Decimal("0.01"))))
        assert failure.reason == "BUDGET_BELOW_SPENT"
        assert failure.details == {"spent": str(EACH), "reserved": "0", "currency": "USD"}
        [kept] = await acme.list_budgets()
        assert money.from_proto(kept.amount) == 1000
        assert money.from_proto((await acme.set_budget(EACH)).left) == 0
        assert await refusal(acme.buy(acme.acme.buyer, "two")) == "BUDGET_EXCEEDED"
        assert await acme.taken(budget) == (EACH, 0)
        # Without a limit it goes on counting, and can get one again.
        await acme.set_budget(None)
        await acme.buy(acme.acme.buyer, "two")
        assert await refusal(acme.set_budget(EACH)) == "BUDGET_BELOW_SPENT"
        assert money.from_proto((await acme.set_budget(2 * EACH)).left) == 0


async def test_a_deleted_budget_limits_nothing_any_more(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        budget = await acme.set_budget(EACH)
        order = await acme.buy(people.buyer, "one")
        assert await refusal(acme.buy(people.buyer, "two")) == "BUDGET_EXCEEDED"
        ended = await delete(acme, budget, people.manager.metadata)
        assert (ended.id, money.from_proto(ended.spent)) == (budget.id, EACH)
        await acme.buy(people.buyer, "two")
        assert await acme.list_budgets() == []
        assert await refusal(delete(acme, budget, people.owner.metadata)) == "BUDGET_NOT_FOUND"
        # A new one counts from now on.
        assert money.from_proto((await acme.set_budget(EACH)).left) == EACH
        assert order.id


async def test_who_sees_and_sets_budgets(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        buyer, manager = people.buyer, people.manager
        sales = await group_of(acme, "Sales", buyer)
        support = await group_of(acme, "Support")
        mine = [
            await acme.set_budget(10),
            await acme.set_budget(20, GROUP, group_id=sales),
            await acme.set_budget(30, MEMBER, user_id=str(buyer.user_id)),
        ]
        others = [
            await acme.set_budget(40, GROUP, group_id=support, metadata=manager.metadata),
            await acme.set_budget(
                50, MEMBER, user_id=str(manager.user_id), metadata=shop.service_key
            ),
        ]
        every = {budget.id for budget in mine + others}
        for who in (people.owner, manager, people.finance):
            assert {b.id for b in await acme.list_budgets(who.metadata)} == every
        assert [b.id for b in await acme.list_budgets(buyer.metadata)] == [b.id for b in mine]
        assert (
            await refusal(acme.list_budgets(people.traveler.metadata)) == "MEMBER_ROLE_INSUFFICIENT"
        )
        staff = await shop.session("money@example.com", role="finance")
        assert {b.id for b in await acme.list_budgets(staff)} == every
        for member in (buyer, people.finance, people.traveler):
            for call in (
                acme.set_budget(1, metadata=member.metadata),
                delete(acme, mine[0], member.metadata),
            ):
                assert await refusal(call) == "MEMBER_ROLE_INSUFFICIENT"
        # The finance staff of the shop reads budgets only, as every stranger does not at all.
        other = await create_organization(
            shop.auth, acme.channel, "Other", roles=(MemberRole.OWNER,), currency="USD"
        )
        for session in (staff, other.owner.metadata):
            assert await refusal(acme.set_budget(1, metadata=session)) == "ORGANIZATION_NOT_FOUND"
            assert await refusal(delete(acme, mine[0], session)) == "BUDGET_NOT_FOUND"
        assert await refusal(acme.list_budgets(other.owner.metadata)) == "ORGANIZATION_NOT_FOUND"
        assert {b.id for b in await acme.list_budgets()} == every


async def test_budgets_that_are_refused(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        other = await create_organization(
            shop.auth, acme.channel, "Other", roles=(MemberRole.OWNER,), currency="USD"
        )
        theirs = await acme.set_budget(1, MEMBER, user_id=str(people.buyer.user_id))
        assert theirs.user_id == str(people.buyer.user_id)
        unknown = str(uuid4())
        for scope, fields, reason in (
            (GROUP, {"group_id": unknown}, "GROUP_NOT_FOUND"),
            (MEMBER, {"user_id": unknown}, "MEMBER_NOT_FOUND"),
            (MEMBER, {"user_id": str(other.owner.user_id)}, "MEMBER_NOT_FOUND"),
            (GROUP, {}, "INVALID_ARGUMENT"),
            (MEMBER, {}, "INVALID_ARGUMENT"),
            (GROUP, {"group_id": "sales"}, "INVALID_ARGUMENT"),
            (ORGANIZATION, {"group_id": unknown}, "INVALID_ARGUMENT"),
            (MEMBER, {"user_id": unknown, "group_id": unknown}, "INVALID_ARGUMENT"),
            (ORGANIZATION, {"warn_percent": 101}, "INVALID_ARGUMENT"),
            (ORGANIZATION, {"warn_percent": -1}, "INVALID_ARGUMENT"),
            (pb.BUDGET_SCOPE_UNSPECIFIED, {}, "INVALID_ARGUMENT"),
        ):
            assert await refusal(acme.set_budget(5, scope, **fields)) == reason, (scope, fields)
        for amount in ("-1", "0.001", "1000000000000"):
            assert await refusal(acme.set_budget(amount)) == "INVALID_ARGUMENT", amount
        assert await refusal(acme.set_budget(1, period=0)) == "INVALID_ARGUMENT"
        euros = pb.SetBudgetRequest(
            organization_id=people.id,
            scope=ORGANIZATION,
            period=MONTH,
            amount=money.to_proto(Decimal(5), "EUR"),
        )
        call = acme.budgets.SetBudget(euros, metadata=people.owner.metadata)
        failure = from_error(await refused(call))
        assert failure.fields == {"amount": "must be in USD, the currency of the organization"}
        # A budget of 0 stops all purchases.
        await acme.set_budget(0)
        assert await refusal(acme.buy(people.owner, "one")) == "BUDGET_EXCEEDED"
        assert shop.charges == 0


async def test_periods_are_those_of_the_time_zone(shop: Shop) -> None:
    find = """
    select orders.period_start($1, 'Pacific/Kiritimati', $2::timestamptz)::text,
        orders.period_start($1, 'America/New_York', $2::timestamptz)::text
    """
    moment = "2027-01-01T01:00:00Z"
    async with company(shop) as acme:
        admin = acme.shop.databases.admin
        at = datetime.fromisoformat(moment)
        found = {
            period: tuple(*await admin.fetch(find, period, at))
            for period in ("NONE", "MONTH", "QUARTER", "YEAR")
        }
        assert found == {
            "NONE": ("1970-01-01", "1970-01-01"),
            "MONTH": ("2027-01-01", "2026-12-01"),
            "QUARTER": ("2027-01-01", "2026-10-01"),
            "YEAR": ("2027-01-01", "2026-01-01"),
        }
        # The month after the change to summer time begins at midnight too.
        spring = datetime.fromisoformat("2027-04-01T03:59:00Z")
        assert tuple(*await admin.fetch(find, "MONTH", spring)) == ("2027-04-01", "2027-03-01")


async def test_the_currency_of_an_organization_can_not_change(shop: Shop) -> None:
    async with company(shop) as acme:
        with pytest.raises(asyncpg.CheckViolationError, match="cannot change"):
            await acme.shop.databases.admin.execute(
                "update orders.organizations set currency = 'EUR' where id = $1", UUID(acme.acme.id)
            )
