"""Coupons of organizations: an organization is one customer, whichever of its members buys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from protos.orders.v1 import coupons_pb2_grpc, orders_pb2, orders_pb2_grpc, organizations_pb2
from tests.component.orders.coupons.coupon_shop import CouponShop, list_price
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import Organization, create_organization
from tests.fixtures.rpc.refusals import reason_of, refused

NOT_APPLICABLE = "COUPON_NOT_APPLICABLE"
USED_BY = "select customer_id::text from orders.coupon_redemptions where order_id = $1::text::uuid"


@pytest.fixture(autouse=True)
def priced(shop: Shop) -> None:
    """Every plan costs 20.00 EUR, and at least 5.00."""
    list_price(shop, "20.00", least="5")


@asynccontextmanager
async def company(shop: Shop) -> AsyncIterator[tuple[CouponShop, Organization]]:
    """Run the service with an organization that has a member of each role."""
    async with shop.channel() as channel:
        running = CouponShop(
            shop,
            orders_pb2_grpc.OrdersServiceStub(channel),
            coupons_pb2_grpc.CouponsServiceStub(channel),
        )
        yield (
            running,
            await create_organization(shop.auth, channel, billing=organizations_pb2.BILLING_CARD),
        )


async def at_once(*purchases: Any) -> tuple[int, set[str]]:
    """Return how many purchases succeeded, and why the others did not."""
    found = await asyncio.gather(*purchases, return_exceptions=True)
    refusals = {reason_of(one) for one in found if isinstance(one, grpc.aio.AioRpcError)}
    return sum(isinstance(one, orders_pb2.Order) for one in found), refusals


async def test_members_share_the_uses_of_their_organization(shop: Shop) -> None:
    async with company(shop) as (running, acme):
        await running.create(max_uses_per_customer=1)
        buyers = [one.metadata for one in (acme.owner, acme.manager, acme.buyer)]
        outcome = await at_once(*(running.buy(one, organization_id=acme.id) for one in buyers))
        assert outcome == (1, {NOT_APPLICABLE})
        wanted = orders_pb2.QuoteOrderRequest(
            plan_id=shop.plan_id, quantity=1, coupon_code="SPRING", organization_id=acme.id
        )
        for one in buyers:
            assert await refused(running.buy(one, organization_id=acme.id)) == NOT_APPLICABLE
            quoting = running.orders.QuoteOrder(wanted, metadata=one)
            assert await refused(quoting) == NOT_APPLICABLE
        # For themselves, each of them is another customer.
        assert await at_once(*map(running.buy, buyers)) == (3, set())
        assert await refused(running.buy(buyers[0])) == NOT_APPLICABLE


async def test_a_first_purchase_is_that_of_the_organization(shop: Shop) -> None:
    async with company(shop) as (running, acme):
        for code in ("ONE", "TWO"):
            await running.create(code, first_purchase_only=True)
        owner, buyer = acme.owner.metadata, acme.buyer.metadata
        await running.buy(owner, code="")  # for the owner, not for the organization
        outcome = await at_once(
            running.buy(owner, "ONE", organization_id=acme.id),
            running.buy(buyer, "TWO", organization_id=acme.id),
        )
        assert outcome == (1, {NOT_APPLICABLE})
        assert await refused(running.buy(owner, "ONE")) == NOT_APPLICABLE
        # The buyer has bought nothing for themself so far.
        assert (await running.buy(buyer, "ONE")).coupon_code == "ONE"


async def test_a_use_stays_with_the_organization_when_its_buyer_is_erased(shop: Shop) -> None:
    async with company(shop) as (running, acme):
        await running.create(max_uses_per_customer=1)
        order = await running.buy(acme.buyer.metadata, organization_id=acme.id)
        own = await running.buy(acme.buyer.metadata)
        erasing = orders_pb2.EraseCustomerRequest(customer_id=str(acme.buyer.user_id))
        await running.orders.EraseCustomer(erasing, metadata=shop.service_key)
        fetch = shop.databases.admin.fetchval
        assert await fetch(USED_BY, order.id) == acme.id
        assert await fetch(USED_BY, own.id) == "00000000-0000-0000-0000-000000000000"
        again = running.buy(acme.owner.metadata, organization_id=acme.id)
        assert await refused(again) == NOT_APPLICABLE
