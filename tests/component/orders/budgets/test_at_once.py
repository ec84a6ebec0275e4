"""Purchases, refunds and changes of budgets at once: none waits forever, and sums equal the ledger's."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc

from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2, organizations_pb2
from services.orders.organizations import membership
from tests.component.orders.budgets.buying_for import EACH, YEAR, company, refusal
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.refunds.bought import balances, wanted

# Of the ledger, less what was refunded.
NET = """
select coalesce(sum(captured - refunded), 0) from orders.payments where organization_id is not null
"""
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"
HALF = 12


async def all_of(work: list[Awaitable[Any]]) -> list[str]:
    """Do work at once; return the reasons of what was refused."""
    found = await asyncio.gather(*work, return_exceptions=True)
    failures = [one for one in found if isinstance(one, BaseException)]
    assert all(isinstance(one, grpc.aio.AioRpcError) for one in failures), failures
    return [from_error(one).reason for one in failures]  # type: ignore[arg-type] # as asserted


async def test_purchases_refunds_and_changes_at_once(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        people, staff = acme.acme, paid_shop.shop.service_key
        buyers = (people.owner, people.manager, people.buyer)
        month = await acme.set_budget(1_000_000)
        year = await acme.set_budget(1_000_000, period=YEAR)
        await paid_shop.fill_wallet(people.id, "100000")
        first = [await acme.buy(buyers[n % 3], f"first-{n}") for n in range(HALF)]
        for order in first:
            await paid_shop.reaches(order.id, "COMPLETED")
        refused = await all_of(
            [
                *(acme.buy(buyers[n % 3], f"second-{n}") for n in range(HALF)),
                *(
                    service.payments.RefundOrder(wanted(order.id, amount), metadata=staff)
                    for order in first[: HALF // 2]
                    for amount in ("10", "20.05")
                ),
                *(
                    acme.orders.CancelOrder(
                        orders_pb2.CancelOrderRequest(order_id=order.id),
                        metadata=people.manager.metadata,
                    )
                    for order in first[HALF // 2 :]
                ),
                *(acme.set_budget(1_000_000 + n, warn_percent=1 + n) for n in range(5)),
            ]
        )
        assert refused == []
        await paid_shop.shop.databases.until(
            "select bool_and(status <> $1 and next_run_at is null) from orders.esim_orders",
            "PROCESSING",
        )
        await paid_shop.shop.databases.until(
            "select bool_and(state = $1) from orders.refunds", "SUCCEEDED"
        )
        admin = paid_shop.shop.databases.admin
        net = await admin.fetchval(NET)
        assert await acme.taken(month) == await acme.taken(year) == (net, 0)
        booked = await balances(paid_shop)
        assert -booked["revenue"] - booked["refunds"] == net
        assert net == 2 * HALF * EACH - HALF // 2 * (EACH + Decimal("30.05"))
        assert await admin.fetchval(DEADLOCKS) == 0


async def test_a_removal_waits_for_a_purchase_that_has_checked_the_member(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    async with company(shop) as acme, shop.databases.open("orders") as database:
        people = acme.acme
        async with database.system() as connection:
            # As the claim of a purchase does.
            await membership.find(connection, UUID(people.id), people.buyer.user_id, lock=True)
            removing = people.service.RemoveMember(
                organizations_pb2.RemoveMemberRequest(
                    organization_id=people.id, user_id=str(people.buyer.user_id)
                ),
                metadata=people.owner.metadata,
            )
            await shop.databases.until(
                "select count(*) > 0 from pg_stat_activity where wait_event_type = $1", "Lock"
            )
            assert not removing.done()
        await removing
        assert await refusal(acme.buy(people.buyer, "late")) == "ORGANIZATION_NOT_FOUND"
