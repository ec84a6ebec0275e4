"""Every limit of the gateway on both sides: the maximum passes, one more is refused."""

import asyncio
import json
from collections.abc import Callable

import pytest

from gateway.defence_settings import DefenceSettings
from gateway.documents import limits
from gateway.documents.cost_units import CALL
from gateway.documents.persisted import MAX_TEXT
from gateway.upstream.context import MAX_OBJECTS
from kit.auth.sessions import Role
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Answered, Client, Gateway
from tests.fixtures.persisted_queries import named, sha256
from tests.fixtures.sandboxes import Auth
from tests.fixtures.sockets import connected

DEPTH = 12  # as in the fixture
EVENTS = {"Accept": "text/event-stream"}


def codes(answer: Answered) -> set[str]:
    return {error["extensions"]["code"] for error in answer.body.get("errors", ())}


def deep(depth: int) -> str:
    ways = ["myESIMs(first: 1)", *["order", "esims"] * depth][: depth - 1]
    return "{ " + " { ".join(ways) + " { id " + "}" * depth


def fields(count: int) -> str:
    """Select the same 49 fields through one fragment as often as needed, plus the remainder."""
    times, more = divmod(count - 1, 49)
    fragment = "fragment F on DataPlan { " + "id " * 49 + "}"
    return f'{{ dataPlan(id: "1") {{ {"...F " * times} {"name " * more} }} }} {fragment}'


def tokens(count: int) -> str:
    return "{ _entities(representations: [" + "1 " * (count - 12) + "]) { __typename } }"


def directives(count: int) -> str:
    """Put two directives at each place, as more are refused separately."""
    pair = "@include(if: true) @skip(if: false)"
    names = [f"a{n}: __typename {pair}" for n in range(count // 2)]
    return "{ x: regions { " + " ".join(names) + (" @include(if: true)" * (count % 2)) + " } }"


def selections(count: int) -> str:
    """Fragments with few fields that double the selection with each level."""
    doubling = " ".join(
        f"fragment F{n} on DataPlan {{ ...F{n + 1} ...F{n + 1} }}" for n in range(8)
    )
    inside = 1 + 2**9 - 1  # the plan and the spreads
    more = "...{}" * (count - inside)
    return f'{{ dataPlan(id: "1") {{ ...F0 {more} }} }} {doubling} fragment F8 on DataPlan {{ }}'


@pytest.mark.parametrize(
    ("reason", "limit", "document"),
    [
        ("DEPTH", DEPTH, deep),
        ("FIELDS", limits.MAX_FIELDS, fields),
        (
            "ROOT_FIELDS",
            limits.MAX_ROOT_FIELDS,
            lambda count: (
                "{ " + "__typename " * (count - 1) + "...F } fragment F on Query "
                "{ ... on Query { regions { name } } }"
            ),
        ),
        (
            "ALIASES",
            limits.MAX_ALIASES,
            lambda count: (
                '{ dataPlan(id: "1") { ...F ...F '
                + " ".join(f"a{n}: id" for n in range(count - 2))
                + " } } fragment F on DataPlan { other: name }"
            ),
        ),
        ("TOKENS", limits.MAX_TOKENS, tokens),
        ("DIRECTIVES", limits.MAX_DIRECTIVES, directives),
        ("SELECTIONS", limits.MAX_SELECTIONS, selections),
        (
            "VARIABLES",
            limits.MAX_VARIABLES,
            lambda count: f"query({''.join(f'$v{n}: Int ' for n in range(count))}) {{ regions }}",
        ),
        (
            "DEFINITIONS",
            limits.MAX_DEFINITIONS,
            lambda count: (
                "{ regions } "
                + " ".join(f"fragment F{n} on Query {{ regions }}" for n in range(count - 1))
            ),
        ),
        (
            "DIRECTIVES_TOGETHER",
            limits.MAX_DIRECTIVES_AT_ONE_LOCATION,
            lambda count: "{ __typename " + "@nothing " * count + "}",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_document_at_a_limit_is_executed_and_one_above_is_too_complex(
    client: Client, reason: str, limit: int, document: Callable[[int], str]
) -> None:
    assert "TOO_COMPLEX" not in codes(await client.ask(document(limit)))
    answer = await client.ask(document(limit + 1))
    assert answer.status == 400
    assert "data" not in answer.body
    assert answer.error["extensions"] == {
        "code": "TOO_COMPLEX",
        "reason": reason,
        "limit": limit,
        "measured": limit + 1,
    }
    assert str(limit) in answer.error["message"]


@pytest.mark.parametrize("role", [Role.ANONYMOUS, Role.CUSTOMER, Role.ADMIN])
async def test_each_role_has_its_own_cost_limit(gateway: Gateway, auth: Auth, role: Role) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    query = "query($n: Int!) { dataPlans(first: $n) { id } }"
    limit = {Role.ANONYMOUS: 20, Role.CUSTOMER: 30, Role.ADMIN: 40}
    async with gateway.another(defence=DefenceSettings(costs=limit, user_rate=0)) as client:
        if role is not Role.ANONYMOUS:
            client = client.signed_in(await auth.token("ann@x.example", admin=role is Role.ADMIN))
        most = limit[role] - CALL
        headers = {"GraphQL-Cost": "report"}
        answer = await client.ask(query, headers, n=most)
        assert answer.data == {"dataPlans": []}
        assert answer.headers["GraphQL-Cost"] == f"{limit[role]}; limit={limit[role]}"
        assert "GraphQL-Cost" not in (await client.ask(query, n=most)).headers
        answer = await client.ask(query, headers, n=most + 1)
        assert answer.status == 400
        assert answer.error["extensions"] == {
            "code": "TOO_COMPLEX",
            "reason": "COST",
            "limit": limit[role],
            "cost": limit[role] + 1,
        }
        assert (
            f"{limit[role] + 1}, which is above the limit of {limit[role]}"
            in answer.error["message"]
        )
        assert gateway.catalogue.calls["ListPlans"] == 2


async def test_the_cost_limit_applies_to_sockets_and_streams(gateway: Gateway, ann: Client) -> None:
    costs = {Role.ANONYMOUS: 1, Role.CUSTOMER: CALL + 499, Role.ADMIN: 1}
    gateway.esims.answers["WatchESIMs"] = Changes(esims_pb2.WatchESIMsResponse())
    async with gateway.another(ann, defence=DefenceSettings(costs=costs, user_rate=0)) as client:
        query = "subscription { myESIMsUpdated { id } }"
        async with connected(client) as socket:
            await socket.subscribe(query)
            assert (await socket.error())["extensions"]["cost"] == CALL + 500
        headers = EVENTS | {"Authorization": f"Bearer {client.token}"}
        body = {"query": query}
        async with client.http.post(f"{client.url}/graphql", json=body, headers=headers) as answer:
            assert '"reason":"COST"' in await answer.text()


def page(field: str, below: str = "{ id }") -> Callable[[int], str]:
    return lambda first: f"{{ {field}(first: {first}) {below} }}"


@pytest.mark.parametrize(
    ("most", "query"),
    [
        (10_000, page("dataPlans")),
        (50, page("featuredPlans")),
        (500, page("myOrders")),
        (500, page("myESIMs")),
        (100, page("plans", "{ edges { cursor } }")),
        (100, page("orders", "{ edges { cursor } }")),
        (100, page("esims", "{ edges { cursor } }")),
    ],
    ids=["dataPlans", "featuredPlans", "myOrders", "myESIMs", "plans", "orders", "esims"],
)
async def test_the_page_size_is_limited(
    gateway: Gateway, ann: Client, most: int, query: Callable[[int], str]
) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse()
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse()
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse()
    for first in (1, most):
        assert (await ann.ask(query(first))).data
    for first in (0, most + 1):
        answer = await ann.ask(query(first))
        assert answer.code == "BAD_USER_INPUT"
        assert f"first: must be an integer from 1 to {most}" in answer.error["message"]


async def test_the_objects_of_a_response_are_limited(gateway: Gateway) -> None:
    def plan(countries: int) -> catalogue_pb2.GetPlanResponse:
        covered = [catalogue_pb2.Country(iso=str(n)) for n in range(countries)]
        return catalogue_pb2.GetPlanResponse(plan=catalogue_pb2.DataPlan(id="1", countries=covered))

    query = '{ dataPlan(id: "1") { countries { iso } } }'
    gateway.catalogue.answers["GetPlan"] = plan(MAX_OBJECTS)
    assert len((await gateway.client.ask(query)).data["dataPlan"]["countries"]) == MAX_OBJECTS
    gateway.catalogue.answers["GetPlan"] = plan(MAX_OBJECTS + 1)
    answer = await gateway.client.ask(query)
    assert answer.error["extensions"] == {"code": "BAD_USER_INPUT", "reason": "ANSWER_TOO_LARGE"}
    assert str(MAX_OBJECTS) in answer.error["message"]


async def test_the_size_of_a_response_is_limited(gateway: Gateway, ann: Client) -> None:
    query = "{ featuredPlans { name } }"
    plans = [catalogue_pb2.DataPlan(id=str(n), name="x" * 1_000) for n in range(64)]
    answers = gateway.catalogue.answers
    most = 65_536
    async with gateway.another(ann, max_answer=most) as client:
        answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(plans=plans)
        body = json.dumps({"query": query})
        async with client.http.post(f"{client.url}/graphql", json=json.loads(body)) as answer:
            plans[0].name += "x" * (most - len(await answer.read()))  # exactly at the limit now
        answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(plans=plans)
        assert len((await client.ask(query)).data["featuredPlans"]) == 64
        plans[0].name += "x"
        answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(plans=plans)
        refused = await client.ask(query)
        assert (refused.status, refused.body["data"], refused.code) == (200, None, "TOO_COMPLEX")
        expected = {"code": "TOO_COMPLEX", "reason": "ANSWER_BYTES", "limit": most}
        assert refused.error["extensions"] == expected | {"measured": most + 1}
        assert "Request less" in refused.error["message"]
        async with connected(client) as socket:
            await socket.subscribe(query)
            assert (await socket.error())["extensions"]["reason"] == "ANSWER_BYTES"
        headers = EVENTS | {"Authorization": f"Bearer {client.token}"}
        async with client.http.post(
            f"{client.url}/graphql",
            data=body,
            headers=headers | {"Content-Type": "application/json"},
        ) as events:
            assert b'"ANSWER_BYTES"' in await events.read()


async def test_the_size_of_a_request_body_is_limited(gateway: Gateway) -> None:
    most = gateway.settings.max_body
    for size, status in ((most, 200), (most + 1, 413)):
        text = json.dumps({"query": "{ __typename }", "extensions": {"x": ""}})
        body = text.replace('""', '"' + "x" * (size - len(text)) + '"').encode()
        assert len(body) == size
        url, headers = f"{gateway.client.url}/graphql", {"Content-Type": "application/json"}
        async with gateway.client.http.post(url, data=body, headers=headers) as answer:
            assert answer.status == status
            if status == 413:
                (error,) = (await answer.json())["errors"]
                assert error["message"] == f"The request body has more than {most} bytes"


async def test_the_size_of_a_persisted_document_is_limited(gateway: Gateway) -> None:
    async with gateway.another(max_body=100_000) as client:
        for size, stored in ((MAX_TEXT, True), (MAX_TEXT + 2, False)):
            letters = (size - len("{ __typename } #")) // len("é".encode())
            query = "{ __typename } #" + "é" * letters
            assert len(query.encode()) == size
            assert (await client.send(named(sha256(query), query=query))).data
            answer = await client.send(named(sha256(query)))
            assert ("data" in answer.body) is stored
            assert codes(answer) == (set() if stored else {"PERSISTED_QUERY_NOT_FOUND"})


async def test_the_depth_limit_is_a_setting(gateway: Gateway) -> None:
    async with gateway.another(max_depth=5) as client:
        answers = await asyncio.gather(client.ask(deep(5)), client.ask(deep(6)))
        assert [a.status for a in answers] == [200, 400]


async def test_the_depth_of_introspection_is_limited(client: Client) -> None:
    def nested(times: int) -> str:
        return "{ __schema { types " + "{ fields { type " * times + "{ name }" + "}}" * times + "}}"

    assert (await client.ask(nested(2))).data
    answer = await client.ask(nested(3))
    assert answer.status == 400
    assert "Maximum introspection depth exceeded" in answer.error["message"]
