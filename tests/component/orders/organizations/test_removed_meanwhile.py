"""Members who are removed while a call of theirs is in flight: what it would change stays as it is."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from kit.values import timestamps
from protos.orders.v1 import batches_pb2, orders_pb2, payments_pb2
from services.orders.organizations.member_store import END
from tests.component.orders.batches import companies
from tests.component.orders.budgets.buying_for import company, refusal
from tests.component.orders.payments.paid_shop import CARD, PaidShop
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import Organization

WAITS = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""


async def removed(shop: Shop, acme: Organization, call: Callable[[], Any]) -> str:
    """Remove the manager in a transaction that ends during a call; return why the call is refused."""
    other = await asyncpg.connect(shop.databases.admin_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(END, UUID(acme.id), acme.manager.user_id, "test")
        refused = asyncio.create_task(refusal(call()))
        await shop.databases.until(WAITS)
        await transaction.commit()
        return await refused
    finally:
        await other.close()


async def test_an_order_stays(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        order = await acme.buy(people.buyer, "one")
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)

        def call() -> Any:
            return acme.orders.CancelOrder(cancel, metadata=people.manager.metadata)

        assert await removed(shop, people, call) == "ORGANIZATION_NOT_FOUND"
        row = await shop.row(order.id)
        assert (row["status"], row["cancel_requested_at"]) == ("COMPLETED", None)


async def test_an_unpaid_order_stays(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    async with paid_shop.open() as service, company(shop, "CARD", service.channel) as acme:
        people = acme.acme
        by_card = payments_pb2.PaymentChoice(method=CARD)
        order = await acme.buy(people.buyer, "one", payment=by_card)
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)

        def call() -> Any:
            return acme.orders.CancelOrder(cancel, metadata=people.manager.metadata)

        assert await removed(shop, people, call) == "ORGANIZATION_NOT_FOUND"
        assert (await shop.row(order.id))["status"] == "PROCESSING"


async def test_a_batch_goes_on(shop: Shop) -> None:
    later = timestamps.to_proto(datetime.now(UTC) + timedelta(days=1))
    async with companies.company(shop) as many:
        assert many.organization is not None
        people = many.organization
        await companies.pay_in(many, 10_000)
        batch = await many.create([many.item()], not_before=later)
        many.buyer = people.manager.metadata
        assert await removed(shop, people, lambda: many.cancel(batch)) == "ORGANIZATION_NOT_FOUND"
        many.buyer = people.buyer.metadata
        assert (await many.get(batch)).status == batches_pb2.BATCH_STATUS_SCHEDULED
