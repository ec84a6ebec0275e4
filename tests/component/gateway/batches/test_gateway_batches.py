"""Batches over GraphQL on the real services: checked, created, followed, and refused to others."""

import re
from typing import Any

from tests.fixtures.gateway import Client
from tests.fixtures.platform import BUNDLE, Platform
from tests.fixtures.sockets import connected

VALIDATE = """query($input: BatchInput!) { validateBatch(input: $input) {
    acceptable rows { position errors { field code } warnings { code } planTitle totalPrice }
    problems { code } total currency orders esims invalidRows estimatedSeconds } }"""
CREATE = """mutation($input: BatchInput!) { createBatch(input: $input) {
    success code error batch { id status counts { items pending } } } }"""
FOLLOW = """subscription($id: ID!) { batchUpdated(batchId: $id) {
    status counts { delivered failed esimsDelivered } spentTotal finishedAt } }"""
SHOW = """query($id: ID!) { batch(id: $id) { name status currency downloads { csv zip pdf }
    items(first: 2) { nodes { position status traveler { name } iccids order { status } code } nextCursor }
    failed: items(status: FAILED) { nodes { position code error } } } }"""
CHANGE = """mutation($id: ID!) {
    cancelBatch(id: $id) { success code } retryBatch(id: $id) { success code } }"""


async def plan(customer: Client) -> str:
    found = await customer.ask(f'{{ dataPlans(filter: {{text: "{BUNDLE}"}}) {{ id name }} }}')
    return str(next(one["id"] for one in found.data["dataPlans"] if one["name"] == BUNDLE))


async def sheet(customer: Client) -> dict[str, Any]:
    bought = await plan(customer)
    return {
        "name": "Trip",
        "items": [
            {"planId": bought, "traveler": {"name": "Zoë Müller"}, "reference": "A-1"},
            {"planId": bought, "quantity": 2},
            {"planId": "00000000-0000-4000-8000-000000000000"},
        ],
    }


async def test_a_batch_is_checked_created_and_followed_to_its_end(platform: Platform) -> None:
    ann, eve = (
        await platform.customer("ann@example.com"),
        await platform.customer("eve@example.com"),
    )
    given = await sheet(ann)
    checked = (await ann.ask(VALIDATE, input=given)).data["validateBatch"]
    assert (checked["acceptable"], checked["orders"], checked["esims"]) == (True, 1, 3)
    assert [row["errors"] for row in checked["rows"]] == [
        [],
        [],
        [{"field": "planId", "code": "PLAN_NOT_FOUND"}],
    ]
    created = await ann.ask(CREATE, input=given | {"idempotencyKey": "trip"})
    answer = created.data["createBatch"]
    assert answer["success"], created.body
    batch = answer["batch"]["id"]
    async with connected(ann) as socket:
        await socket.subscribe(FOLLOW, id=batch)
        last = (await socket.until("batchUpdated", status="PARTIAL"))[-1]
    assert last["counts"] == {"delivered": 2, "failed": 1, "esimsDelivered": 3}
    assert last["finishedAt"]
    shown = (await ann.ask(SHOW, id=batch)).data["batch"]
    assert shown["downloads"]["csv"] == f"/batches/{batch}/esims.csv"
    first, second = shown["items"]["nodes"]
    assert (first["traveler"], first["order"]) == ({"name": "Zoë Müller"}, {"status": "COMPLETED"})
    assert (len(first["iccids"]), len(second["iccids"])) == (1, 2)
    assert shown["items"]["nextCursor"] == "2"
    assert [row["code"] for row in shown["failed"]["nodes"]] == ["PLAN_NOT_FOUND"]
    # Others find nothing.
    refused = await eve.ask(SHOW, id=batch)
    assert refused.body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    changed = await eve.ask(CHANGE, id=batch)
    assert all(not one["success"] for one in changed.data.values() if one), changed.body


async def test_refusals_are_answers_and_faults_of_the_input_are_errors(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    given = await sheet(ann)
    strict = given | {"errorPolicy": "REJECT_ALL", "idempotencyKey": "strict"}
    refused = (await ann.ask(CREATE, input=strict)).data["createBatch"]
    assert (refused["success"], refused["code"], refused["batch"]) == (False, "BATCH_INVALID", None)
    low = given | {"maxTotal": "0.01", "idempotencyKey": "low"}
    assert (await ann.ask(CREATE, input=low)).data["createBatch"]["code"] == "MAX_TOTAL_EXCEEDED"
    for faulty in (given, given | {"idempotencyKey": "k", "items": []}):
        answer = await ann.ask(CREATE, input=faulty)
        code = (answer.data or {}).get("createBatch") or answer.body["errors"][0]["extensions"]
        assert code["code"] in ("BAD_USER_INPUT", "INVALID_ARGUMENT"), answer.body
    anonymous = await platform.client.ask(CREATE, input=given | {"idempotencyKey": "x"})
    assert anonymous.body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_first_of_many_faulty_rows_are_named_and_the_others_counted(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    row = {"planId": "x" * 40, "quantity": -1, "esimId": "y", "reference": "\0"}
    for rows in (60, 180, 300):
        given = {"items": [row] * rows, "idempotencyKey": f"rows-{rows}"}
        answer = (await ann.ask(CREATE, input=given)).data["createBatch"]
        assert (answer["success"], answer["code"]) == (False, "BATCH_INVALID")
        assert answer["error"].startswith("items[0]: quantity: must be from 1 to 10, not -1")
        assert re.search(r"; and [0-9]+ more$", answer["error"])
