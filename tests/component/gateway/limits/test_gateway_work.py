"""The work limit of one request: each bound and one above it, on every transport."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from gateway.defence_settings import DefenceSettings
from gateway.documents.trusted import TrustedDocuments
from gateway.documents.work_settings import DOCUMENT, ERRORS, UNLIMITED, VALUES
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Answered, Client, Gateway
from tests.fixtures.gateway_customer import order
from tests.fixtures.persisted_queries import named, sha256
from tests.fixtures.sockets import connected

ENTITIES = "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
PLANS = "query($f: DataPlanFilter) { dataPlans(filter: $f, first: 1) { id } }"
LONG = "{ __typename }".ljust(DOCUMENT + 1)
# Values that need some thousands, and some tens of thousands of comparisons.
FEW_EQUAL, MANY_EQUAL = (f'{{ dataPlan(id: "1") {{ {"id " * n} }} }}' for n in (60, 240))

Bounded = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def bounded(gateway: Gateway) -> Bounded:
    """Run another gateway with other work limits in front of the same stand-ins."""

    def started(
        trusted: TrustedDocuments | None = None, **bounds: Any
    ) -> AbstractAsyncContextManager[Client]:
        work = replace(UNLIMITED, **bounds)
        return gateway.another(
            defence=DefenceSettings(user_rate=0, address_rate=0, work=work),
            trusted_documents=trusted or gateway.settings.trusted_documents,
            max_body=262_144,
            http=replace(gateway.settings.http, websocket_rate=10_000_000.0),
        )

    return started


def refusal(answer: Answered) -> tuple[str, str]:
    assert "data" not in answer.body
    return answer.code, answer.error["extensions"]["reason"]


@pytest.mark.parametrize(
    ("query", "variables", "reason"),
    [
        (LONG, {}, "CHARACTERS"),
        ("\n" * 90_000 + ENTITIES, {"r": [{}] * 900}, "CHARACTERS"),
        (MANY_EQUAL, {}, "COMPARISONS"),
        ('{ dataPlan(id: "1") { ' + "countries { iso } " * 240 + "} }", {}, "COMPARISONS"),
        ("{ " + ("regions { " + "name " * 24 + "} ") * 20 + "}", {}, "COMPARISONS"),
        (ENTITIES, {"r": [{}] * (VALUES + 1)}, "VALUES"),
        (PLANS, {"f": {"countries": ["FR"] * VALUES}}, "VALUES"),
        (PLANS, {"f": {f"k{n}": 1 for n in range(VALUES)}}, "VALUES"),
        ("{ __typename }", {"unknown": [[[1] * 1_000]] * 3}, "VALUES"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
async def test_every_transport_has_the_same_limits(
    gateway: Gateway,
    bounded: Bounded,
    ann: Client,
    query: str,
    variables: dict[str, Any],
    reason: str,
) -> None:
    async with bounded() as client:
        await every_way_is_refused(client.signed_in(str(ann.token)), query, variables, reason)
    assert not gateway.catalogue.calls


async def every_way_is_refused(
    ann: Client, query: str, variables: dict[str, Any], reason: str
) -> None:
    expected = ("TOO_COMPLEX", reason)
    assert refusal(await ann.ask(query, **variables)) == expected
    registering = named(sha256(query), query=query, variables=variables)
    assert refusal(await ann.send(registering)) == expected
    events = {"Accept": "text/event-stream", "Authorization": f"Bearer {ann.token}"}
    body = {"query": query, "variables": variables}
    async with ann.http.post(f"{ann.url}/graphql", json=body, headers=events) as answer:
        streamed = (await answer.text()).replace(" ", "")
        assert f'"reason":"{reason}"' in streamed
    async with connected(ann) as socket:
        await socket.subscribe(query, **variables)
        error = await socket.error()
        assert (error["extensions"]["code"], error["extensions"]["reason"]) == expected
    if len(query) + len(str(variables)) < 4_000:
        sent = {"query": query, "variables": json.dumps(variables)}
        async with ann.http.get(f"{ann.url}/graphql", params=sent) as answer:
            assert reason in await answer.text()


async def test_each_limit_is_a_setting(bounded: Bounded, gateway: Gateway) -> None:
    gateway.catalogue.answers["GetPlan"] = catalogue_pb2.GetPlanResponse()
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    many: dict[str, Any] = {"f": {"countries": ["FR"] * VALUES}}
    async with bounded(document=10**9, comparisons=10**9, values=10**9) as client:
        assert (await client.ask(LONG)).data
        assert (await client.ask(MANY_EQUAL)).data
        assert (await client.ask(PLANS, **many)).data == {"dataPlans": []}
    async with bounded(comparisons=1_000) as client:
        assert refusal(await client.ask(FEW_EQUAL)) == ("TOO_COMPLEX", "COMPARISONS")
    assert (await gateway.client.ask(FEW_EQUAL)).data


async def test_a_trusted_document_may_be_longer(bounded: Bounded) -> None:
    trusted = "query Trusted { __typename }".ljust(DOCUMENT + 1)
    for only in (False, True):
        documents = TrustedDocuments({"one": trusted}, only=only)
        async with bounded(documents) as client:
            assert (await client.send({"documentId": "one"})).data
            assert (await client.ask(trusted)).data
            answer = await client.ask("\n" * 70_000 + trusted)
            assert refusal(answer) == ("TOO_COMPLEX", "CHARACTERS")
        async with bounded(documents, trusted_document=1_024) as client:
            answer = await client.send({"documentId": "one"})
            assert refusal(answer) == ("TOO_COMPLEX", "CHARACTERS")


async def test_the_errors_of_a_response_are_limited(client: Client) -> None:
    answer = await client.ask(
        '{ dataPlan(id: "1") { ' + " ".join(f"n{n}" for n in range(99)) + " } }"
    )
    assert len(answer.body["errors"]) == ERRORS
    assert "error limit reached" in answer.body["errors"][-1]["message"]
    answer = await client.ask(PLANS, f={"countries": [1] * 99})
    assert len(answer.body["errors"]) == ERRORS


@pytest.mark.parametrize("wrong", [1, ERRORS, ERRORS + 1, 600])
async def test_malformed_entities_fail_one_by_one_up_to_a_limit(
    bounded: Bounded, wrong: int
) -> None:
    async with bounded() as client:
        answer = await client.ask("\n" * 9_000 + ENTITIES, r=[{}] * wrong)
    errors = answer.body["errors"]
    assert len(errors) == (wrong if wrong <= ERRORS else 1)
    assert errors[0]["locations"] == [{"line": 9_001, "column": 23}]
    assert errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_failed_rows_share_the_limit_of_errors(ann: Client, gateway: Gateway) -> None:
    orders = [order(str(n), plan_id=str(n)) for n in range(ERRORS + 7)]
    away = Failure(Kind.UNAVAILABLE, "AWAY", "Away")
    gateway.catalogue.answers["BatchGetPlans"] = away
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=orders)
    answer = await ann.ask("{ myOrders { dataPlan { id } } }")
    assert len(answer.body["data"]["myOrders"]) == ERRORS + 7
    *listed, last = answer.body["errors"]
    assert len(listed) == ERRORS
    assert last["extensions"] == {"code": "TOO_MANY_ERRORS", "omitted": 7}
    assert "7 more" in last["message"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e309", "NaN", "Infinity", "[1, 1e999]"])
async def test_a_number_above_the_float_range_is_not_null(gateway: Gateway, number: str) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    client, url = gateway.client, f"{gateway.client.url}/graphql"
    query = "query($p: Float) { dataPlans(filter: {maxPrice: $p}, first: 1) { id } }"
    assert (await client.ask(query, p=None)).data == {"dataPlans": []}
    body = json.dumps({"query": query, "variables": {"p": "HERE"}}).replace('"HERE"', number)
    headers = {"Content-Type": "application/json"}
    async with client.http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 400
        refused = await answer.json()
    sent = {"query": query, "variables": f'{{"p": {number}}}'}
    async with client.http.get(url, params=sent) as answer:
        assert answer.status == 400
        assert (await answer.json())["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    (error,) = refused["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert ("1.8e308" in error["message"]) == ("e" in number and "I" not in number)


@pytest.mark.parametrize("number", ["1e400", "1" + "0" * 400])
async def test_a_number_above_the_float_range_in_a_document_is_refused(
    gateway: Gateway, number: str
) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    answer = await gateway.client.ask(f"{{ dataPlans(filter: {{maxPrice: {number}}}) {{ id }} }}")
    assert answer.error["extensions"]["code"] in {"BAD_REQUEST", "BAD_USER_INPUT"}
    assert not gateway.catalogue.calls


BUY = 'purchaseESIM(planId: "6f1cf7f4-3b3c-4d43-9a3c-222222222222") { success code }'
TWENTY = " ".join(f"p{n}: {BUY}" for n in range(20))
SPREAD = f"{{ ...F ... {{ b: {BUY} }} }} fragment F on Mutation {{ a: {BUY} }}"


@pytest.mark.parametrize(
    ("query", "purchases"),
    [
        (f"mutation {{ {TWENTY} }}", 20),
        (f"mutation {SPREAD}", 2),
        (f"mutation {{ a: {BUY} b: {BUY.replace(' {', ' @skip(if: true) {')} }}", 2),
        (f"mutation {{ a: {BUY} restoreESIM(esimId: 1) {{ success }} b: {BUY} }}", 2),
    ],
    ids=["aliases", "fragments", "directives", "other mutations between"],
)
async def test_an_operation_may_contain_one_purchase(
    gateway: Gateway, ann: Client, query: str, purchases: int
) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(order=order())
    answer = await ann.ask(query)
    assert answer.status == 400
    async with connected(ann) as socket:
        await socket.subscribe(query)
        over_socket = await socket.error()
    for error in (answer.error, over_socket):
        assert error["extensions"] == {
            "code": "TOO_COMPLEX",
            "reason": "PURCHASES",
            "limit": 1,
            "measured": purchases,
        }
        assert "nothing was bought" in error["message"]
        assert "idempotencyKey" in error["message"]
    assert not gateway.orders.calls["CreateOrder"]
    assert not gateway.esims.calls


async def test_the_purchases_of_an_operation_are_a_setting(
    gateway: Gateway, ann: Client, bounded: Bounded
) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(order=order())
    async with bounded(purchases=20) as client:
        client = client.signed_in(str(ann.token))
        assert (await client.ask(f"mutation {{ {TWENTY} }}")).data
    assert gateway.orders.calls["CreateOrder"] == 20
    assert (await ann.ask(f"mutation {{ a: {BUY} }}")).data
    # A name that is selected twice is executed once.
    assert (await ann.ask(f"mutation {{ a: {BUY} a: {BUY} }}")).data
    assert gateway.orders.calls["CreateOrder"] == 22


# One unit a second: the burst takes longer to refill than any test runs.
SLOW = 1.0


async def test_a_client_above_its_work_budget_is_refused_on_every_transport(
    gateway: Gateway, ann: Client, bounded: Bounded
) -> None:
    gateway.catalogue.answers["ListRegions"] = catalogue_pb2.ListRegionsResponse()
    query, other = "{ regions { name } }", "{ regions { planCount } }"
    async with bounded(address_rate=SLOW) as client:
        assert (await client.ask(query)).data
        for refused in (await client.ask(query), await client.ask(other)):
            assert (refused.status, refused.code) == (429, "RATE_LIMITED")
            assert refused.error["extensions"]["reason"] == "TOO_MUCH_WORK"
            wait = refused.error["extensions"]["retryAfter"]
            assert wait <= int(refused.headers["Retry-After"]) <= wait + 1
        async with connected(client.signed_in(str(ann.token))) as socket:
            for sent in (query, other):
                await socket.subscribe(sent)
                assert (await socket.error())["extensions"]["reason"] == "TOO_MUCH_WORK"
        events = {"Accept": "text/event-stream"}
        url = f"{client.url}/graphql"
        async with client.http.post(url, json={"query": query}, headers=events) as answer:
            assert "TOO_MUCH_WORK" in await answer.text()
    assert gateway.catalogue.calls["ListRegions"] == 1


@pytest.mark.usefixtures("no_refill")
async def test_an_unparsable_document_costs_work_each_time(bounded: Bounded) -> None:
    broken = "{ dataPlans " * 50  # costs some 1,200 units
    async with bounded(address_rate=10_000) as client:
        codes = [(await client.ask(broken)).code for _ in range(12)]
    assert codes == ["BAD_REQUEST"] * 9 + ["RATE_LIMITED"] * 3


async def test_a_cached_response_costs_no_work(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListRegions"] = catalogue_pb2.ListRegionsResponse()
    work = replace(UNLIMITED, address_rate=SLOW)
    async with gateway.another(
        defence=DefenceSettings(user_rate=0, address_rate=0, work=work), response_cache_seconds=60
    ) as client:
        for _ in range(5):
            assert (await client.ask("{ regions { name } }")).data == {"regions": []}
