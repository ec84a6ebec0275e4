"""Which eSIMs of a batch its sheets and printed pages contain."""

from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import orders_pb2
from tests.component.orders.batches.buying_many import Bulk, bulk, opened
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Shop


async def listed(many: Bulk, batch: pb.Batch) -> list[tuple[int, str]]:
    """Return the positions and ICCIDs of the eSIMs to hand out."""
    request = pb.ListBatchESIMsRequest(batch_id=batch.id)
    answer = await many.batches.ListBatchESIMs(request, metadata=many.buyer)
    assert all(esim.matching_id and esim.smdp_address for esim in answer.esims)
    return [(esim.position, esim.iccid) for esim in answer.esims]


async def test_cancelled_esims_are_not_handed_out(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with bulk(shop) as many:
        batch = await many.create([many.item(quantity=2), many.item(), many.item(plan=1)])
        await many.finished(batch)
        rows = await many.items(batch)
        assert await listed(many, batch) == [
            (row.position, iccid) for row in rows for iccid in sorted(row.iccids)
        ]
        used, unused = sorted(rows[0].iccids)
        country = shop.catalogue.bundles[many.plan()].countries[0].iso
        await shop.control(f"esims/{used}/use-data", megabytes=1, country=country)

        async def cancel(order_id: str, *, unused_only: bool = False) -> None:
            request = orders_pb2.CancelOrderRequest(order_id=order_id, unused_only=unused_only)
            await many.orders.CancelOrder(request, metadata=many.buyer)

        # The first three are one order, of which the eSIM in use stays.
        await cancel(rows[0].order_id, unused_only=True)
        assert await listed(many, batch) == [(1, used), (3, rows[2].iccids[0])]
        await cancel(rows[2].order_id)
        assert await listed(many, batch) == [(1, used)]
        assert [list(row.iccids) for row in await many.items(batch)] == [
            list(row.iccids) for row in rows
        ]
        assert unused not in {iccid for _, iccid in await listed(many, batch)}


async def test_esims_that_travelers_have_already_are_not_handed_out(shop: Shop) -> None:
    async with platform(shop, batch_pause=0.0) as running:
        buyer = await shop.session("ann@example.com")
        plan = await running.plan(shop.catalogue.bundles[shop.plan_id].name)
        order = await running.buy(buyer, plan_id=plan.id)
        [esim] = await running.esims_of(order, buyer)
        many = await opened(shop, running.channel)
        rows = [
            pb.BatchItemInput(plan_id=plan.id, esim_id=esim.id),
            pb.BatchItemInput(plan_id=plan.id),
        ]
        batch = await many.finished(await many.create(rows))
        assert batch.status == pb.BATCH_STATUS_COMPLETED
        topped_up, new = await many.items(batch)
        assert list(topped_up.iccids) == [esim.iccid]
        assert await listed(many, batch) == [(2, new.iccids[0])]
