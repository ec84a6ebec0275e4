"""Explicit null for arguments with a default, numbers with too many digits, and the time format."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import argument
from gateway.schema.orders.purchase import PurchaseInput
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Answered, Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, ORDER_ID, PLAN, esim, order

# Every argument and input field whose default isn't null, with an operation that uses it.
PLAN_ID = json.dumps(PLAN.id)
WITH_DEFAULTS = [
    ("mutation(%s) { purchaseESIM(planId: PLAN, input: {quantity: %s}) { code } }", "Int"),
    ("mutation(%s) { purchaseESIM(planId: PLAN, input: {autoActivate: %s}) { code } }", "Boolean"),
    (
        "mutation(%s) { purchaseESIM(planId: PLAN, input: {preventDuplicates: %s}) { code } }",
        "Boolean",
    ),
    ("mutation(%s) { purchaseESIM(planId: PLAN, input: {allowReassign: %s}) { code } }", "Boolean"),
    ('mutation(%s) { cancelOrder(orderId: "x", unusedOnly: %s) { code } }', "Boolean"),
    ("query(%s) { dataPlans(first: 1, orderBy: %s) { id } }", "DataPlanOrder"),
    ("query(%s) { featuredPlans(first: %s) { id } }", "Int"),
    ("query(%s) { plans(orderBy: %s) { totalCount } }", "DataPlanOrder"),
    ("query(%s) { plans(first: %s) { totalCount } }", "Int"),
    ("query(%s) { orders(first: %s) { edges { node { id } } } }", "Int"),
    ("query(%s) { esims(first: %s) { edges { node { id } } } }", "Int"),
    ("query(%s) { myOrders(first: %s) { id } }", "Int"),
    ("query(%s) { myESIMs(first: %s) { id } }", "Int"),
]
ANSWERS = {
    "catalogue": {
        "ListPlans": catalogue_pb2.ListPlansResponse(),
        "ListFeaturedPlans": catalogue_pb2.ListFeaturedPlansResponse(),
    },
    "orders": {
        "ListOrders": orders_pb2.ListOrdersResponse(),
        "CreateOrder": orders_pb2.CreateOrderResponse(order=order()),
        "CancelOrder": orders_pb2.CancelOrderResponse(order=order()),
    },
    "esims": {"ListESIMs": esims_pb2.ListESIMsResponse()},
}


def answer_all(gateway: Gateway) -> None:
    for name, answers in ANSWERS.items():
        getattr(gateway, name).answers.update(answers)


def received_requests(gateway: Gateway) -> list[Any]:
    """Return the requests that reached the services since the last call."""
    found = []
    for name in ANSWERS:
        found += getattr(gateway, name).requests
        getattr(gateway, name).requests.clear()
    return found


@pytest.mark.parametrize(("operation", "kind"), WITH_DEFAULTS)
async def test_null_means_the_default(
    gateway: Gateway, ann: Client, operation: str, kind: str
) -> None:
    answer_all(gateway)
    operation = operation.replace("PLAN", PLAN_ID)
    left_out = re.sub(r"(, )?\w+: %s", "", operation).replace("(%s)", "").replace("()", "")
    as_variable = operation % (f"$value: {kind}", "$value")
    as_literal = operation.replace("(%s)", "", 1) % "null"
    with_first = re.sub(r"input: \{\}", "input: {}", left_out)
    answers = [
        await ann.ask(with_first),
        await ann.ask(as_literal),
        await ann.ask(as_variable, value=None),
        await ann.ask(as_variable),
    ]
    # Twice: the second time runs the compiled plan.
    answers.append(await ann.ask(as_variable, value=None))
    assert [answer.data for answer in answers] == [answers[0].data] * len(answers)
    reached = received_requests(gateway)
    assert all(request == reached[0] for request in reached)
    assert reached


async def test_an_input_with_only_nulls_means_all_defaults(gateway: Gateway, ann: Client) -> None:
    answer_all(gateway)
    names = [field.python_name for field in PurchaseInput.__strawberry_definition__.fields]  # type: ignore[attr-defined]
    text = "mutation($p: ID!, $i: PurchaseInput) { purchaseESIM(planId: $p, input: $i) { code } }"
    for given in (None, {}, dict.fromkeys(map(argument, names))):
        await ann.ask(text, p=PLAN.id, i=given)
    expected = orders_pb2.CreateOrderRequest(plan_id=PLAN.id, quantity=1)
    assert received_requests(gateway) == [expected] * 3


async def test_null_costs_as_much_as_the_default(gateway: Gateway, ann: Client) -> None:
    answer_all(gateway)
    costs = set()
    for text in (
        "{ plans { edges { node { id } } } }",
        "{ plans(first: null) { edges { node { id } } } }",
    ):
        async with ann.http.post(
            f"{ann.url}/graphql", json={"query": text}, headers={"GraphQL-Cost": "1"}
        ) as answer:
            costs.add(answer.headers["GraphQL-Cost"])
    assert len(costs) == 1


async def post(client: Client, body: str) -> Answered:
    """Send raw bytes, as Python refuses to write a number with so many digits."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    async with client.http.post(f"{client.url}/graphql", data=body, headers=headers) as answer:
        return Answered(answer.status, answer.headers, await answer.json(content_type=None))


DIGITS = "1" * 5_000
LONG = [DIGITS, f"-{DIGITS}", f"{DIGITS}.5", f"0.{DIGITS}", f"1e{DIGITS}", f"1.5E-{DIGITS}"]
PLACES = [
    ("dataPlans(first: 1, filter: {duration: %s}) { id }", "Int"),
    ("dataPlans(first: 1, filter: {maxPrice: %s}) { id }", "Float"),
    ("dataPlans(first: 1, filter: {minData: %s}) { id }", "Float"),
    ("dataPlans(first: 1, filter: {text: %s}) { id }", "String"),
    ("dataPlans(first: 1, filter: {unlimited: %s}) { id }", "Boolean"),
    ("dataPlans(first: 1, orderBy: %s) { id }", "DataPlanOrder"),
    ("dataPlans(first: %s) { id }", "Int"),
    ("plans(after: %s) { totalCount }", "String"),
    ("dataPlan(id: %s) { id }", "ID"),
    ("myOrders(filter: {fromDate: %s}) { id }", "DateTime"),
    ('_entities(representations: [{__typename: "DataPlan", id: %s}]) { __typename }', None),
    ("_entities(representations: [%s]) { __typename }", "_Any"),
]


@pytest.mark.parametrize("literal", [*LONG, f'"{DIGITS}"'], ids=range(7))
@pytest.mark.parametrize(("place", "kind"), PLACES)
async def test_a_number_of_5000_digits_is_a_client_error(
    gateway: Gateway, ann: Client, place: str, kind: str | None, literal: str
) -> None:
    answer_all(gateway)
    allowed = {"BAD_REQUEST", "BAD_USER_INPUT", "NOT_FOUND"}
    in_document = await post(ann, json.dumps({"query": f"{{ {place % literal} }}"}))
    codes = {error["extensions"]["code"] for error in in_document.body.get("errors", ())}
    assert codes <= allowed, in_document.body
    if not literal.startswith('"'):
        assert (in_document.status, codes) == (400, {"BAD_REQUEST"})
    if kind is not None:
        query = json.dumps(f"query($v: {kind}) {{ {place % '$v'} }}")
        body = f'{{"query": {query}, "variables": {{"v": {literal}}}}}'
        in_variables = await post(ann, body)
        codes = {error["extensions"]["code"] for error in in_variables.body.get("errors", ())}
        assert codes <= allowed, in_variables.body


@pytest.mark.parametrize("digits", [20, 309, 400, 999, 1_000, 1_001, 4_299, 4_300, 4_301])
async def test_long_numbers_around_the_limits_are_a_client_error(
    gateway: Gateway, ann: Client, digits: int
) -> None:
    answer_all(gateway)
    number = "9" * digits
    for place, kind in PLACES:
        texts = [f'{{"query": {json.dumps(f"{{ {place % number} }}")}}}']
        if kind is not None:
            query = json.dumps(f"query($v: {kind}) {{ {place % '$v'} }}")
            texts.append(f'{{"query": {query}, "variables": {{"v": {number}}}}}')
        for text in texts:
            answer = await post(ann, text)
            codes = {error["extensions"]["code"] for error in answer.body.get("errors", ())}
            assert codes <= {"BAD_REQUEST", "BAD_USER_INPUT", "NOT_FOUND"}, (place, answer.body)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
MOMENTS = {0: "000000", 1_000: "000001", 418_000_000: "418000", 418_220_951: "418220"}


@pytest.mark.parametrize("nanos", MOMENTS)
async def test_times_are_in_utc_with_z_and_six_decimals(
    gateway: Gateway, ann: Client, nanos: int
) -> None:
    stamp = Timestamp(seconds=1_770_000_000, nanos=nanos)
    text = f"2026-02-02T02:40:00.{MOMENTS[nanos]}Z"
    gateway.orders.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order(created_at=stamp))
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order(created_at=stamp)]
    )

    async def watched(request: Any) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
        yield orders_pb2.WatchOrderResponse(order=order(created_at=stamp))

    gateway.orders.answers["WatchOrder"] = watched
    one = "query($id: ID!) { orderDetails(id: $id) { createdAt } }"
    for _ in range(2):
        assert (await ann.ask(one, id=ORDER_ID)).data["orderDetails"]["createdAt"] == text
        assert (await ann.ask("{ myOrders { createdAt } }")).data["myOrders"] == [
            {"createdAt": text}
        ]
    follow = "subscription($id: ID!) { orderUpdated(orderId: $id) { createdAt } }"
    async with ann.http.post(
        f"{ann.url}/graphql",
        json={"query": follow, "variables": {"id": ORDER_ID}},
        headers={"Accept": "text/event-stream", "Authorization": f"Bearer {ann.token}"},
    ) as events:
        async for line in events.content:
            if line.startswith(b"data: "):
                assert json.loads(line[6:])["data"]["orderUpdated"]["createdAt"] == text
                break


async def test_a_returned_time_is_accepted_as_an_argument(gateway: Gateway, ann: Client) -> None:
    answer_all(gateway)
    for text in ("2026-02-02T02:40:00.418220Z", "2026-02-02T03:40:00.418220+01:00"):
        await ann.ask(
            "query($f: OrderFilter) { myOrders(filter: $f) { id } }", f={"fromDate": text}
        )
        (request,) = received_requests(gateway)
        expected = datetime(2026, 2, 2, 2, 40, 0, 418_220, tzinfo=UTC)
        assert request.filter.from_date.ToDatetime(tzinfo=UTC) == expected


async def test_every_time_of_an_esim_has_the_format(gateway: Gateway, ann: Client) -> None:
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(esim=esim())
    answer = await ann.ask(
        """query($id: ID!) { esimDetails(id: $id) {
             assignedDate actionDate createdAt updatedAt asOf deletionDate installedDate } }""",
        id=ESIM_ID,
    )
    times = [value for value in answer.data["esimDetails"].values() if value is not None]
    assert times
    assert all(TIME.fullmatch(value) for value in times)
