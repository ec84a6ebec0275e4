"""POST /batches: a sheet is bought as a batch."""

from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.fixtures.answers.sheets import PLANS, SHEET, euros, post, sent
from tests.fixtures.gateway import Client, Gateway


async def test_a_sheet_is_bought_as_a_batch(buying: Gateway, ann: Client) -> None:
    created = pb.Batch(
        id=str(uuid4()),
        name="June",
        status=pb.BATCH_STATUS_SCHEDULED,
        counts=pb.BatchCounts(items=1, pending=1, esims_delivered=0),
        expected_total=euros(4),
        spent_total=euros(0),
    )
    buying.batches.answers["CreateBatch"] = pb.CreateBatchResponse(batch=created)
    begins = "2026-12-01T08:00:00+01:00"
    wanted = {"name": "June", "idempotencyKey": "key-1", "notBefore": begins}
    answer = await post(ann, SHEET, path="/batches", **wanted)
    assert answer.status == 200, answer.body
    batch = answer.body["batch"]
    assert (batch["id"], batch["status"], batch["expectedTotal"]) == (created.id, "SCHEDULED", "4")
    assert batch["counts"] | {"items": 1, "esimsDelivered": 0} == batch["counts"]
    (request,) = buying.batches.requests
    assert request.idempotency_key == "key-1"
    assert request.batch.name == "June"
    assert request.batch.not_before.ToJsonString() == "2026-12-01T07:00:00Z"
    assert [item.plan_id for item in request.batch.items] == [PLANS[0].id]


async def test_faults_refuse_a_purchase_by_their_lines(buying: Gateway, ann: Client) -> None:
    sheet = f"plan,quantity\n{PLANS[0].name},1\n\n{PLANS[0].name},0\n"
    answer = await post(ann, sheet, path="/batches", errorPolicy="REJECT_ALL", idempotencyKey="k")
    assert (answer.status, answer.error["extensions"]["reason"]) == (422, "BATCH_INVALID")
    assert "Line 4 can't be bought: must be a whole number" in answer.error["message"]
    assert not buying.batches.requests
    buying.batches.answers["CreateBatch"] = Failure(
        Kind.REFUSED, "BATCH_INVALID", "Rows 2", fields={"items[1]": "The plan is not sold"}
    )
    answer = await post(ann, sheet, path="/batches", idempotencyKey="k")
    assert answer.status == 422
    assert answer.error["message"] == "Nothing was bought. line 4: The plan is not sold"
    # The row with a fault is sent without its plan, so that it can't be bought by mistake.
    assert [item.plan_id for item in sent(buying).items] == [PLANS[0].id, ""]


async def test_the_first_of_many_faulty_lines_are_named_and_the_others_counted(
    buying: Gateway, ann: Client
) -> None:
    many = {f"items[{row}]": "The plan is not sold" for row in range(300)}
    buying.batches.answers["CreateBatch"] = Failure(
        Kind.REFUSED, "BATCH_INVALID", "All rows", fields=many
    )
    sheet = "plan\n" + f"{PLANS[0].name}\n" * 300
    answer = await post(ann, sheet, path="/batches", idempotencyKey="k")
    assert answer.status == 422
    assert answer.error["message"].endswith("line 11: The plan is not sold; and 290 more")


@pytest.mark.parametrize(
    "text", ["2026-12-01t08:00:00z", "2026-12-01T09:00:00.000000000+01:00", "2026-12-01T07:59:60Z"]
)
async def test_a_time_may_have_any_form_of_rfc_3339(
    buying: Gateway, ann: Client, text: str
) -> None:
    await post(ann, SHEET, path="/batches", idempotencyKey="k", notBefore=text)
    (request,) = buying.batches.requests
    found = request.batch.not_before.ToDatetime()
    assert f"{found:%Y-%m-%d %H:%M:%S}" in ("2026-12-01 08:00:00", "2026-12-01 07:59:59")


async def test_a_maximum_may_have_float_noise(buying: Gateway, ann: Client) -> None:
    text = repr(1.05 * 3)
    assert text == "3.1500000000000004"
    await post(ann, SHEET, path="/batches", idempotencyKey="k", maxTotal=text)
    (request,) = buying.batches.requests
    assert money.from_proto(request.batch.max_total) == Decimal("3.15")


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "9999-12-31T23:59:59-10:00"])
async def test_a_time_that_is_none_is_refused(buying: Gateway, ann: Client, text: str) -> None:
    answer = await post(ann, SHEET, path="/batches", idempotencyKey="k", notBefore=text)
    assert answer.status == 400
    assert "notBefore: must be a time" in answer.error["message"]


async def test_more_text_than_the_service_accepts_is_named(buying: Gateway, ann: Client) -> None:
    row = f"{PLANS[0].name},{'山' * 150}\n"
    for path, key in (("/batches/csv", {}), ("/batches", {"idempotencyKey": "k"})):
        answer = await post(ann, "plan,name\n" + row * 1_000, path=path, **key)
        assert answer.status == 400
        assert answer.error["extensions"]["reason"] == "SHEET_TOO_LARGE"
        assert "split the sheet" in answer.error["message"]
