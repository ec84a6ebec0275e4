"""Purchases take from all budgets that apply, or nothing is bought."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc

from kit.rpc.errors import from_error
from kit.values import money
from protos.orders.v1 import organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.component.orders.budgets.buying_for import (
    EACH,
    GROUP,
    MEMBER,
    MONTH,
    NONE,
    YEAR,
    Company,
    company,
    group_of,
    refusal,
    refused,
)
from tests.component.orders.shop import Shop, reaches
from tests.fixtures.organizations import Member, add_member, create_organization

BUYERS = 50
ROOM = 10
UNSETTLED = "select count(*) from orders.budget_reservations where state = 'RESERVED'"


async def count(acme: Company, what: str) -> Any:
    return await acme.shop.databases.admin.fetchval(what)


async def test_a_completed_order_is_spent(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000)
        order = await acme.buy(acme.acme.buyer, "one")
        await reaches(shop, order.id, "COMPLETED")
        assert order.organization_id == acme.acme.id
        assert await acme.taken(budget) == (EACH, 0)
        assert shop.esims.registered[order.id].organization_id == acme.acme.id


async def test_a_failed_order_gives_everything_back(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000)
        await shop.fault(method="POST", path="/orders", status=400)
        order = await acme.buy(acme.acme.buyer, "one")
        await reaches(shop, order.id, "FAILED")
        assert await acme.taken(budget) == (0, 0)
        again = await acme.buy(acme.acme.buyer, "two")
        await reaches(shop, again.id, "COMPLETED")
        assert await acme.taken(budget) == (EACH, 0)


async def test_all_budgets_that_apply_are_taken_from(shop: Shop) -> None:
    async with company(shop) as acme:
        buyer, manager = acme.acme.buyer, acme.acme.manager
        sales = await group_of(acme, "Sales", buyer)
        budgets = [
            await acme.set_budget(10_000, period=YEAR),
            await acme.set_budget(5000, period=MONTH),
            await acme.set_budget(2000, GROUP, NONE, group_id=sales),
            await acme.set_budget(None, MEMBER, MONTH, user_id=str(buyer.user_id)),
        ]
        other = await acme.set_budget(1000, MEMBER, MONTH, user_id=str(manager.user_id))
        await acme.buy(buyer, "for-the-group", group_id=sales)
        assert [await acme.taken(b) for b in budgets] == [(EACH, 0)] * 4
        assert await acme.taken(other) == (0, 0)
        await acme.buy(buyer, "without-a-group")
        assert [(await acme.taken(b))[0] for b in budgets] == [2 * EACH, 2 * EACH, EACH, 2 * EACH]


async def test_one_budget_without_room_refuses_the_purchase(shop: Shop) -> None:
    async with company(shop) as acme:
        buyer = acme.acme.buyer
        budget = await acme.set_budget(10_000)
        own = await acme.set_budget(EACH, MEMBER, user_id=str(buyer.user_id))
        await acme.buy(buyer, "one")
        failure = from_error(await refused(acme.buy(buyer, "two")))
        assert failure.reason == "BUDGET_EXCEEDED"
        assert failure.details == {
            "budget_id": own.id,
            "scope": "MEMBER",
            "left": "0",
            "currency": "USD",
        }
        assert "Your budget in this organization for this month has 0 USD left" in failure.message
        assert (await acme.taken(budget), await acme.taken(own)) == ((EACH, 0), (EACH, 0))
        assert shop.charges == 1
        # What the customer buys for themself, and what others buy, is not affected.
        await acme.buy(buyer, "own", organization_id="")
        await acme.buy(acme.acme.manager, "three")
        assert await acme.taken(budget) == (2 * EACH, 0)


async def test_fifty_buyers_at_once_never_exceed_a_budget_for_ten(shop: Shop) -> None:
    async with company(shop) as acme:
        buyers = [
            await add_member(shop.auth, acme.acme, MemberRole.BUYER, f"buyer{n}@example.com")
            for n in range(BUYERS)
        ]
        # Two budgets, so that purchases could also wait for each other forever.
        budget = await acme.set_budget(ROOM * EACH + Decimal("0.01"))
        year = await acme.set_budget(100_000, period=YEAR)
        results = await asyncio.gather(
            *(acme.buy(buyer, "mine") for buyer in buyers), return_exceptions=True
        )
        bought = [r for r in results if not isinstance(r, BaseException)]
        reasons = {from_error(r).reason for r in results if isinstance(r, grpc.aio.AioRpcError)}
        assert (len(bought), reasons) == (ROOM, {"BUDGET_EXCEEDED"})
        for order in bought:
            await reaches(shop, order.id, "COMPLETED")
        assert await count(acme, "select count(*) from orders.esim_orders") == ROOM
        assert shop.charges == ROOM
        assert await acme.taken(budget) == await acme.taken(year) == (ROOM * EACH, 0)
        assert await count(acme, UNSETTLED) == 0


async def test_a_repeat_takes_nothing_again(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000)
        orders = await asyncio.gather(*(acme.buy(acme.acme.buyer, "same") for _ in range(5)))
        assert len({order.id for order in orders}) == 1
        assert await acme.taken(budget) == (EACH, 0)


async def test_the_key_of_an_order_for_another_organization_is_a_conflict(shop: Shop) -> None:
    async with company(shop) as acme:
        buyer = acme.acme.buyer
        await acme.buy(buyer, "key")
        assert await refusal(acme.buy(buyer, "key", organization_id="")) == "IDEMPOTENCY_CONFLICT"
        sales = await group_of(acme, "Sales", buyer)
        assert await refusal(acme.buy(buyer, "key", group_id=sales)) == "IDEMPOTENCY_CONFLICT"


async def test_two_clicks_for_an_organization_are_one_order(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000)
        buyer = acme.acme.buyer
        first, second = await asyncio.gather(
            *(acme.buy(buyer, "", prevent_duplicates=True) for _ in range(2))
        )
        own = await acme.buy(buyer, "", prevent_duplicates=True, organization_id="")
        assert first.id == second.id != own.id
        assert await acme.taken(budget) == (EACH, 0)


async def test_who_may_not_buy(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        for member in (people.finance, people.traveler):
            assert await refusal(acme.buy(member, "one")) == "MEMBER_ROLE_INSUFFICIENT"
        stranger = Member(
            MemberRole.BUYER, "", UUID(int=1), await shop.auth.token("stranger@example.com")
        )
        assert await refusal(acme.buy(stranger, "one")) == "ORGANIZATION_NOT_FOUND"
        unknown = str(UUID(int=7))
        assert (
            await refusal(acme.buy(people.buyer, "one", organization_id=unknown))
            == "ORGANIZATION_NOT_FOUND"
        )
        assert await refusal(acme.buy(people.buyer, "one", group_id=unknown)) == "GROUP_NOT_FOUND"
        sales = await group_of(acme)
        assert await refusal(acme.buy(people.buyer, "one", group_id=sales)) == "NOT_IN_GROUP"
        await acme.buy(people.manager, "one", group_id=sales)
        await people.service.ArchiveGroup(
            organizations_pb2.ArchiveGroupRequest(group_id=sales), metadata=people.owner.metadata
        )
        assert await refusal(acme.buy(people.manager, "two", group_id=sales)) == "GROUP_ARCHIVED"
        assert (
            await refusal(acme.buy(people.buyer, "one", organization_id="", group_id=sales))
            == "INVALID_ARGUMENT"
        )
        assert (
            await refusal(acme.buy(people.buyer, "one", currency="EUR")) == "ORGANIZATION_CURRENCY"
        )
        assert shop.charges == 1


async def test_a_removed_member_and_a_suspended_organization_buy_nothing(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        order = await acme.buy(people.buyer, "before")
        await people.service.RemoveMember(
            organizations_pb2.RemoveMemberRequest(
                organization_id=people.id, user_id=str(people.buyer.user_id)
            ),
            metadata=people.owner.metadata,
        )
        assert await refusal(acme.buy(people.buyer, "after")) == "ORGANIZATION_NOT_FOUND"
        # Also with the key of the order, which the person does not see any more.
        assert await refusal(acme.buy(people.buyer, "before")) == "ORGANIZATION_NOT_FOUND"
        assert (
            await refusal(acme.buy(people.buyer, "before", organization_id=""))
            == "IDEMPOTENCY_CONFLICT"
        )
        await people.service.SuspendOrganization(
            organizations_pb2.SuspendOrganizationRequest(organization_id=people.id),
            metadata=shop.service_key,
        )
        assert await refusal(acme.buy(people.manager, "one")) == "ORGANIZATION_SUSPENDED"
        assert await count(acme, "select count(*) from orders.esim_orders") == 1
        assert order.id


async def test_a_warning_is_written_once_in_a_period(shop: Shop) -> None:
    async with company(shop) as acme:
        budget = await acme.set_budget(1000, warn_percent=60)
        await acme.buy(acme.acme.buyer, "one")
        assert await acme.warnings() == []
        await acme.buy(acme.acme.buyer, "two")
        await acme.buy(acme.acme.buyer, "three")
        [warning] = await acme.warnings()
        assert warning | {"starts_on": ""} == {
            "scope": "ORGANIZATION",
            "group_id": None,
            "period": "MONTH",
            "starts_on": "",
            "amount": "1000",
            "spent": str(EACH),
            "reserved": str(EACH),
            "currency": "USD",
            "warn_percent": 60,
        }
        # A raised budget may warn again.
        assert not (await acme.set_budget(2000, warn_percent=60)).warned
        await acme.buy(acme.acme.buyer, "four")
        assert len(await acme.warnings()) == 2
        assert next(b for b in await acme.list_budgets() if b.id == budget.id).warned


async def test_the_limits_of_a_customer_are_for_their_own_purchases(shop: Shop) -> None:
    limits = {"customer_hour_orders": Decimal(1), "shop_hour_orders": Decimal(4)}
    async with company(shop, purchase_limits=limits) as acme:
        buyer = acme.acme.buyer
        await acme.buy(buyer, "own-1", organization_id="")
        await acme.buy(buyer, "acme-1")
        await acme.buy(buyer, "acme-2")
        assert (
            await refusal(acme.buy(buyer, "own-2", organization_id=""))
            == "PURCHASE_LIMIT_CUSTOMER_HOUR_ORDERS"
        )
        await acme.buy(acme.acme.manager, "acme-3")
        assert await refusal(acme.buy(buyer, "acme-4")) == "PURCHASE_LIMIT_SHOP_HOUR_ORDERS"


async def test_unfinished_purchases_are_counted_for_each_organization(shop: Shop) -> None:
    async with company(shop, max_unfinished=1, purchase_wait=0.0) as acme:
        buyer = acme.acme.buyer
        shop.esims.may_answer.clear()
        await acme.buy(buyer, "acme-1")
        assert (
            await refusal(acme.buy(buyer, "acme-2")) == "PURCHASE_LIMIT_CUSTOMER_UNFINISHED_ORDERS"
        )
        await acme.buy(buyer, "own-1", organization_id="")
        shop.esims.may_answer.set()


async def test_what_the_provider_charges_is_spent_where_prices_follow_it(shop: Shop) -> None:
    name = next(b.name for b in shop.catalogue.bundles.values() if not b.autostart)
    async with company(shop) as acme:
        budget = await acme.set_budget(EACH)
        await shop.control("catalogue/price", name=name, price=400.0)
        order = await acme.buy(acme.acme.buyer, "one")
        await reaches(shop, order.id, "COMPLETED")
        assert await acme.taken(budget) == (400, 0)
        [now] = await acme.list_budgets()
        assert money.from_proto(now.left) == 0
        assert await refusal(acme.buy(acme.acme.buyer, "two")) == "BUDGET_EXCEEDED"


async def test_a_member_of_two_organizations_takes_from_that_which_buys(shop: Shop) -> None:
    async with company(shop) as acme:
        buyer = acme.acme.buyer
        other = await create_organization(
            shop.auth, acme.channel, "Other", roles=(MemberRole.OWNER,), currency="USD"
        )
        # Finance in the other one: the role in one organization counts for nothing in another.
        await add_member(shop.auth, other, MemberRole.FINANCE, buyer.email)
        budget = await acme.set_budget(1000)
        theirs = replace(acme, acme=other)
        also = await theirs.set_budget(1000)
        assert await refusal(theirs.buy(buyer, "one")) == "MEMBER_ROLE_INSUFFICIENT"
        await acme.buy(buyer, "one")
        assert (await acme.taken(budget), await theirs.taken(also)) == ((EACH, 0), (0, 0))
        sales = await group_of(theirs)
        assert await refusal(acme.buy(buyer, "two", group_id=sales)) == "GROUP_NOT_FOUND"
        # An owner there, who lists and limits here nothing.
        assert await refusal(acme.list_budgets(other.owner.metadata)) == "ORGANIZATION_NOT_FOUND"
