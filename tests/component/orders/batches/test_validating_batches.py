"""Every row of a batch is checked before anything is bought; nothing is recorded by a validation."""

from decimal import Decimal

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.component.orders.batches.buying_many import Bulk, bulk, refusal
from tests.component.orders.shop import Shop

UNKNOWN = "00000000-0000-4000-8000-000000000001"
FAULTY = {
    "plan_id": pb.BatchItemInput(plan_id="Europe 5 GB"),
    "quantity": pb.BatchItemInput(plan_id=UNKNOWN, quantity=11),
    "traveler.email": pb.BatchItemInput(
        plan_id=UNKNOWN, traveler=pb.BatchTraveler(name="Ann", email="no address")
    ),
    "traveler": pb.BatchItemInput(plan_id=UNKNOWN, traveler=pb.BatchTraveler(name=" ")),
    "traveler.name": pb.BatchItemInput(
        plan_id=UNKNOWN, traveler=pb.BatchTraveler(name="Ann\nOther")
    ),
    "reference": pb.BatchItemInput(plan_id=UNKNOWN, reference="x" * 101),
    "esim_id": pb.BatchItemInput(plan_id=UNKNOWN, esim_id="8944"),
}


async def recorded(many: Bulk) -> int:
    found: int = await many.shop.databases.admin.fetchval(
        "select (select count(*) from orders.batches) + (select count(*) from orders.batch_items)"
    )
    return found


async def test_a_validation_names_each_fault_and_records_nothing(shop: Shop) -> None:
    async with bulk(shop) as many:
        withdrawn = many.plan(2)
        shop.catalogue.withdrawn.add(withdrawn)
        found = await many.validate(
            [
                many.item(quantity=2),
                pb.BatchItemInput(plan_id=UNKNOWN),
                many.item(plan=2),
                *FAULTY.values(),
                many.item(traveler=pb.BatchTraveler(name="Ann", email="Ann@example.com")),
                many.item(traveler=pb.BatchTraveler(name="Äñn 安", email="ann@example.com")),
            ]
        )
        assert found.acceptable  # the faulty rows are skipped
        errors = {row.position: [(e.field, e.code) for e in row.errors] for row in found.rows}
        assert errors.pop(1) == []
        assert errors.pop(2) == [("plan_id", "PLAN_NOT_FOUND")]
        assert errors.pop(3) == [("plan_id", "PLAN_UNAVAILABLE")]
        for position, field in enumerate(FAULTY, 4):
            assert errors.pop(position)[0] == (field, "INVALID"), field
        assert set(map(tuple, errors.values())) == {()}
        [warning] = found.rows[-1].warnings
        assert warning.code == "TRAVELER_REPEATED"
        assert "row 11" in warning.message
        assert (found.invalid_rows, found.esims, found.orders) == (9, 4, 1)
        price = money.from_proto(found.rows[0].unit_price)
        assert money.from_proto(found.rows[0].total_price) == 2 * price
        assert money.from_proto(found.total) == 4 * price
        assert await recorded(many) == 0


async def test_the_time_is_that_of_the_orders_and_their_pauses(shop: Shop) -> None:
    async with bulk(shop, batch_pause=3.0) as many:
        found = await many.validate([many.item(quantity=10) for _ in range(50)])
        assert found.orders == 50
        assert 49 * 3 <= found.estimated_seconds <= 49 * 4


async def test_a_batch_above_its_maximum_is_refused(shop: Shop) -> None:
    async with bulk(shop) as many:
        rows = [many.item(quantity=2)]
        total = money.from_proto((await many.validate(rows)).total)
        low = money.to_proto(total - Decimal("0.01"), "USD")
        found = await many.validate(rows, max_total=low)
        assert not found.acceptable
        assert [p.code for p in found.problems] == ["MAX_TOTAL_EXCEEDED"]
        assert await refusal(many.create(rows, max_total=low)) == "MAX_TOTAL_EXCEEDED"
        assert await recorded(many) == 0
        batch = await many.create(rows, max_total=money.to_proto(total, "USD"))
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_reject_all_refuses_the_batch_for_one_faulty_row(shop: Shop) -> None:
    async with bulk(shop) as many:
        rows = [many.item(), pb.BatchItemInput(plan_id=UNKNOWN)]
        policy = pb.BATCH_ERROR_POLICY_REJECT_ALL
        assert not (await many.validate(rows, error_policy=policy)).acceptable
        assert await refusal(many.create(rows, error_policy=policy)) == "BATCH_INVALID"
        assert await recorded(many) == 0
        assert shop.charges == 0


async def test_faulty_rows_are_skipped_and_keep_their_reason(shop: Shop) -> None:
    async with bulk(shop) as many:
        rows = [many.item(), pb.BatchItemInput(plan_id=UNKNOWN), *FAULTY.values()]
        done = await many.finished(await many.create(rows))
        assert done.status == pb.BATCH_STATUS_PARTIAL
        assert (done.counts.delivered, done.counts.failed) == (1, 8)
        found = await many.items(done, statuses=[pb.BATCH_ITEM_STATUS_FAILED])
        assert [row.position for row in found] == list(range(2, 10))
        assert [row.code for row in found] == ["PLAN_NOT_FOUND"] + ["INVALID"] * 7
        assert all(row.error and row.attempts == 0 and not row.order_id for row in found)
        assert shop.charges == 1


async def test_a_batch_without_any_good_row_is_refused(shop: Shop) -> None:
    async with bulk(shop) as many:
        rows = [pb.BatchItemInput(plan_id=UNKNOWN)]
        assert await refusal(many.create(rows)) == "BATCH_INVALID"
        assert not (await many.validate(rows)).acceptable


async def test_sizes_and_keys_are_limited(shop: Shop) -> None:
    async with bulk(shop) as many:
        one = many.item()
        for rows in ([], [one] * 1001, [many.item(quantity=10)] * 201):
            assert await refusal(many.validate(rows)) == "INVALID_ARGUMENT"
        for key in ("", "x" * 201, "with space"):
            assert await refusal(many.create([one], key)) == "INVALID_ARGUMENT"
        assert await refusal(many.create([one], group_id=UNKNOWN)) == "INVALID_ARGUMENT"
        assert await refusal(many.create([one], name="x" * 201)) == "INVALID_ARGUMENT"
        assert await recorded(many) == 0


async def test_the_same_key_returns_the_same_batch(shop: Shop) -> None:
    async with bulk(shop) as many:
        first = await many.create([many.item(quantity=2)], "key")
        again = await many.create([many.item(quantity=2)], "key")
        assert again.id == first.id
        assert await refusal(many.create([many.item(quantity=3)], "key")) == "IDEMPOTENCY_CONFLICT"
        await many.finished(first)
        assert shop.charges == 1
