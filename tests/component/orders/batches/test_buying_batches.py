"""A batch is bought by ordinary orders of at most ten, and every row gets its eSIMs."""

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.component.orders.batches.buying_many import bulk
from tests.component.orders.shop import Shop


async def test_rows_become_orders_of_at_most_ten_and_get_their_esims(shop: Shop) -> None:
    async with bulk(shop) as many:
        people = [
            many.item(traveler=pb.BatchTraveler(name=f"Person {n}"), reference=f"row {n}")
            for n in range(1, 13)
        ]
        batch = await many.create([*people, many.item(plan=1, quantity=3)], name="Trip")
        assert batch.status == pb.BATCH_STATUS_PROCESSING
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_COMPLETED
        assert (done.counts.items, done.counts.delivered, done.counts.failed) == (13, 13, 0)
        assert (done.counts.esims, done.counts.esims_delivered) == (15, 15)
        assert done.HasField("finished_at")
        assert not done.HasField("estimated_end")
        orders = [o for o in shop.sandbox.world.ledger if o.kind == "order"]
        assert len(orders) == 3
        rows = await many.items(batch)
        assert [len(row.iccids) for row in rows] == [1] * 12 + [3]
        assert len({iccid for row in rows for iccid in row.iccids}) == 15
        assert len({row.order_id for row in rows}) == 3
        assert all(row.status == pb.BATCH_ITEM_STATUS_DELIVERED for row in rows)
        assert rows[4].traveler.name == "Person 5"
        assert money.from_proto(done.spent_total) == money.from_proto(done.expected_total)
        # The travelers were registered with their eSIMs.
        named = {
            esim.iccid: esim.traveler.name
            for order in shop.esims.registered.values()
            for esim in order.esims
            if esim.HasField("traveler")
        }
        assert named == {row.iccids[0]: row.traveler.name for row in rows[:12]}
