"""Transactions that change the same rows lock them in the same order, so that none ends in a deadlock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from protos.orders.v1 import orders_pb2, payments_pb2
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.membership import MemberRole
from services.orders.payments.refunds import refund_store
from tests.component.orders.organizations.asserting import invite
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import on_account
from tests.fixtures.organizations import add_member, create_organization

BLOCKED = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""


@asynccontextmanager
async def other_transaction(shop: Shop) -> AsyncIterator[Any]:
    """A transaction beside the service; it is rolled back."""
    connection = await asyncpg.connect(shop.databases.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def test_a_purchase_locks_the_wallet_before_the_coupon(paid_shop: PaidShop) -> None:
    """As a delivery does, which takes the money first and then uses the coupon."""
    shop = paid_shop.shop
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "1000")
    await shop.databases.admin.execute(
        "insert into orders.coupons (code, percent, max_loss, currency, created_by)"
        " values ('SPRING', 10, 1000, 'USD', 'test')"
    )
    async with paid_shop.open() as service:
        wanted = paid_shop.request(payments_pb2.PAYMENT_METHOD_WALLET, coupon_code="SPRING")
        async with other_transaction(shop) as other:
            await other.execute("select from orders.wallets for update")

            async def buy() -> orders_pb2.CreateOrderResponse:
                return await service.orders.CreateOrder(wanted, metadata=buyer)

            buying = asyncio.create_task(buy())
            await shop.databases.until(BLOCKED)
            await other.execute("select from orders.coupons for update nowait")
        answer = await buying
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED


async def test_a_statement_does_not_wait_for_a_refund(shop: Shop) -> None:
    """At its end, the refund's transaction waits for the statement's."""
    async with on_account(shop) as found:
        order = await found.bought("one")
        async with other_transaction(shop) as other:
            await other.fetchrow(refund_store.ORDER, order.id)
            statement = await found.bill()
        assert statement.number == "ST-000001"


async def test_an_erasure_locks_invitations_before_the_organization(shop: Shop) -> None:
    """As an acceptance does, which adds a member."""
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        ann = await add_member(shop.auth, acme, MemberRole.MANAGER, "ann@example.com")
        await invite(acme, ann)
        erasing = orders_pb2.EraseCustomerRequest(customer_id=str(ann.user_id))
        async with shop.open() as orders:
            async with other_transaction(shop) as other:
                await other.execute("select from orders.invitations for update")
                call = asyncio.create_task(erase(orders, erasing, shop))
                await shop.databases.until(BLOCKED)
                await other.execute("select from orders.organizations for no key update nowait")
            await call


async def erase(orders: Any, request: orders_pb2.EraseCustomerRequest, shop: Shop) -> None:
    await orders.EraseCustomer(request, metadata=shop.service_key)


async def test_a_group_gets_a_member_under_locks_by_user(shop: Shop) -> None:
    """As a removal locks the member and all owners."""
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=())
        emails = {
            await shop.auth.user_id(email): email for email in ("a@example.com", "b@x.example")
        }
        owner, smaller = max(emails), min(emails)
        acme.members[MemberRole.OWNER] = await add_member(
            shop.auth, acme, MemberRole.OWNER, emails[owner]
        )
        member = await add_member(shop.auth, acme, MemberRole.BUYER, emails[smaller])
        creating = pb.CreateGroupRequest(organization_id=acme.id, name="Sales")
        group = (await acme.service.CreateGroup(creating, metadata=acme.owner.metadata)).group
        adding = pb.AddGroupMemberRequest(group_id=group.id, user_id=str(member.user_id))

        async def add() -> None:
            await acme.service.AddGroupMember(adding, metadata=acme.owner.metadata)

        row = "select from orders.members where user_id = $1 for update nowait"
        async with other_transaction(shop) as other:
            await other.execute(row, member.user_id)
            call = asyncio.create_task(add())
            await shop.databases.until(BLOCKED)
            await other.execute(row, owner)
        await call
