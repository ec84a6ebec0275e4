"""Reads of disputes by several processes: the newest one is recorded, whichever ends last."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sandbox.payments.state import disputes as at_provider
from services.orders.payments import order_store
from services.orders.payments.disputes import report_store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.disputes.report import ReportKind
from services.orders.payments.stripe import objects
from services.orders.payments.stripe.shapes import Shape
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.test_disputes import dispute, postings, send_event, sold

RECORDED = "select status, withdrawn from orders.disputes"


async def test_a_delayed_read_does_not_replace_a_newer_one(paid_shop: PaidShop) -> None:
    """The service has read an open dispute; before it records it, another process records it as won."""
    admin: Any = paid_shop.shop.databases.admin
    world = paid_shop.provider.world
    async with sold(paid_shop) as (service, order_id, row):
        dispute_id = await dispute(paid_shop, row)
        async with admin.transaction():
            await order_store.lock(admin, UUID(order_id))
            await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
            await paid_shop.shop.databases.until(
                "select exists (select from pg_locks where not granted)"
            )
            await paid_shop.provider.control(
                "POST", f"/disputes/{dispute_id}/resolve", {"status": "won"}
            )
            run = uuid4()
            await report_store.make_due(admin, dispute_id, ReportKind.DISPUTE, row["id"])
            assert await report_store.take(admin, 1, run, timedelta(minutes=1))
            newest = Shape(at_provider.render(world, world.disputes[dispute_id]), "dispute")
            await disputes.record(admin, objects.dispute(newest), row["id"])
            await report_store.put_back(admin, dispute_id, run, None, "")
    assert tuple(await admin.fetchrow(RECORDED)) == ("won", False)
    assert await postings(paid_shop) == []
