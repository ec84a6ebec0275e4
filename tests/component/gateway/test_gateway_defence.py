"""CSRF, CORS, rate limits, introspection and time limits of the gateway."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from gateway.defence_settings import DefenceSettings
from kit.rpc.call import time_left
from protos.esims.v1 import esims_pb2
from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Answered, Client, Gateway
from tests.fixtures.gateway_customer import esim
from tests.fixtures.sandboxes import Auth
from tests.fixtures.sockets import connected, opened

QUERY = "{ __typename }"
FOREIGN = {"Sec-Fetch-Site": "cross-site"}

Defended = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def defended(gateway: Gateway) -> Defended:
    """Run another gateway with other defence settings in front of the same stand-ins."""

    def started(**changed: Any) -> AbstractAsyncContextManager[Client]:
        defence = DefenceSettings(**{"user_rate": 0, "address_rate": 0, **changed})
        return gateway.another(defence=defence)

    return started


async def get(client: Client, headers: dict[str, str]) -> Answered:
    parameters = {"query": QUERY}
    url = f"{client.url}/graphql"
    async with client.http.get(url, params=parameters, headers=headers) as answer:
        return Answered(answer.status, answer.headers, await answer.json(content_type=None))


@pytest.mark.parametrize(
    ("headers", "plain", "strict"),
    [
        ({}, 200, 403),  # curl; also a browser of before 2023
        ({"Accept": "application/json"}, 200, 403),
        ({"Sec-Fetch-Site": "none"}, 200, 403),  # typed into the address bar
        ({"Sec-Fetch-Site": "same-origin"}, 200, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403, 403),
        ({"Origin": "https://evil.example"}, 403, 403),
        ({"Origin": "null"}, 403, 403),
        ({"Origin": "https://shop.example", **FOREIGN}, 200, 200),  # in GATEWAY_CORS_ORIGINS
        ({"Content-Type": "text/plain", **FOREIGN}, 403, 403),
        ({"Content-Type": "rubbish", **FOREIGN}, 403, 403),
        ({"Content-Type": "application/x-www-form-urlencoded", **FOREIGN}, 403, 403),
        # A page can't send these without a preflight.
        ({"Content-Type": "application/json", **FOREIGN}, 200, 200),
        ({"Apollo-Require-Preflight": "true", **FOREIGN}, 200, 200),
        ({"X-Apollo-Operation-Name": "Plans", **FOREIGN}, 200, 200),
    ],
)
async def test_a_get_that_a_cross_origin_page_could_send_is_refused(
    defended: Defended, headers: dict[str, str], plain: int, strict: int
) -> None:
    for plain_get, expected in ((True, plain), (False, strict)):
        async with defended(plain_get=plain_get) as client:
            answer = await get(client, headers)
            assert answer.status == expected
            if expected == 403:
                assert answer.code == "FORBIDDEN"
                assert "Apollo-Require-Preflight" in answer.error["message"]
                assert "data" not in answer.body


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
async def test_a_post_that_a_page_can_send_without_a_preflight_is_refused(
    client: Client, kind: str | None
) -> None:
    for body in (b'{"query": "{ __typename }"}', b"query={__typename}"):
        headers = {} if kind is None else {"Content-Type": kind}
        url = f"{client.url}/graphql"
        async with client.http.post(url, data=body, headers=headers) as answer:
            assert answer.status == 415
            assert "data" not in await answer.json()


async def test_a_preflight_allows_the_headers_of_graphql_clients(client: Client) -> None:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    async with client.http.options(f"{client.url}/graphql", headers=headers) as answer:
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"apollo-require-preflight", "x-apollo-operation-name", "graphql-cost"} <= {*allowed}


async def test_introspection_is_answered_only_where_enabled(defended: Defended) -> None:
    readings = (
        "{ __schema { queryType { name } } }",
        '{ __type(name: "ESIM") { name } }',
        "{ _service { sdl } }",
    )
    async with defended(introspection=False) as client:
        for query in readings:
            answer = await client.ask(query)
            assert (answer.status, answer.code) == (400, "INTROSPECTION_DISABLED")
            assert "GATEWAY_INTROSPECTION" in answer.error["message"]
        assert (await client.ask(QUERY)).data == {"__typename": "Query"}
    async with defended(introspection=True) as client:
        for query in readings:
            assert (await client.ask(query)).data


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ featuredPlan { id } }", {}),
        ('{ dataPlans(filter: {contry: "FR"}) { id } }', {}),
        ("{ dataPlans(filtr: null) { id } }", {}),
        ("{ dataPlans(orderBy: NAM) { id } }", {}),
        ("query($o: DataPlanOrdr) { dataPlans(orderBy: $o) { id } }", {}),
        ("query($o: DataPlanOrder!) { dataPlans(orderBy: $o) { id } }", {"o": "NAM"}),
        ("query($f: DataPlanFilter) { dataPlans(filter: $f) { id } }", {"f": {"contry": "FR"}}),
        ("{ __typename @skp(if: true) }", {}),
        ("{ ...F } fragment F on Qery { __typename }", {}),
    ],
)
async def test_names_are_suggested_only_where_introspection_is_enabled(
    defended: Defended, ann: Client, query: str, variables: dict[str, Any]
) -> None:
    async with defended(introspection=True) as client:
        assert "Did you mean" in str((await client.ask(query, **variables)).body) or "skp" in query
    async with defended(introspection=False) as client:
        answer = await client.ask(query, **variables)
        assert answer.status == 400
        assert "Did you mean" not in str(answer.body)
        assert all(error["message"] for error in answer.body["errors"])
        async with connected(replace(ann, url=client.url)) as socket:
            await socket.subscribe(query, **variables)
            assert "Did you mean" not in str(await socket.receive())


# One request at once and the next after 100 s, however slow the machine is.
SELDOM = 0.01


async def test_a_rate_limited_client_learns_when_to_retry(defended: Defended, ann: Client) -> None:
    async with defended(user_rate=SELDOM) as client:
        client = client.signed_in(str(ann.token))
        assert (await client.ask(QUERY)).data
        answer = await client.ask(QUERY)
        assert (answer.status, answer.code) == (429, "RATE_LIMITED")
        assert answer.error["extensions"]["reason"] == "TOO_MANY_REQUESTS"
        wait = answer.error["extensions"]["retryAfter"]
        assert 0 < wait <= 100
        assert wait <= int(answer.headers["Retry-After"]) <= wait + 1
        # Other users aren't affected.
        assert (await replace(client, token=None).ask(QUERY)).data


async def test_each_operation_of_a_socket_or_stream_counts_against_the_rate(
    defended: Defended, ann: Client, auth: Auth
) -> None:
    async def stream(client: Client) -> int:
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {client.token}"}
        url = f"{client.url}/graphql"
        async with client.http.post(url, json={"query": QUERY}, headers=headers) as answer:
            return answer.status

    async with defended(user_rate=SELDOM) as client:
        ann = client.signed_in(str(ann.token))
        async with connected(ann) as socket:
            await socket.subscribe(QUERY)
            assert await socket.data() == {"__typename": "Query"}
            assert (await socket.receive())["type"] == "complete"
            assert await stream(ann) == 429
            await socket.subscribe(QUERY)
            error = await socket.error()
            assert error["extensions"]["code"] == "RATE_LIMITED"
            assert 0 < error["extensions"]["retryAfter"] <= 100
            # The connection stays open.
            await socket.send(type="ping")
            assert await socket.receive() == {"type": "pong"}
        bob = client.signed_in(await auth.token("bob@example.com"))
        assert [await stream(bob) for _ in range(2)] == [200, 429]


async def test_connections_and_bad_tokens_count_against_their_address(defended: Defended) -> None:
    async with defended(address_rate=SELDOM) as client:
        assert (await client.signed_in("rubbish").ask(QUERY)).status == 401
        assert (await client.signed_in("rubbish").ask(QUERY)).status == 429
        # Health checks are not counted.
        for _ in range(5):
            async with client.http.get(f"{client.url}/healthz") as answer:
                assert answer.status == 200
    async with defended(address_rate=SELDOM) as client:
        async with opened(client):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            async with opened(client):
                pass


async def test_only_a_trusted_proxy_sets_the_client_address(defended: Defended) -> None:
    async def three(client: Client) -> list[int]:
        headers = [{"X-Forwarded-For": f"203.0.113.{n}"} for n in range(3)]
        return [(await client.ask(QUERY, given)).status for given in headers]

    async with defended(address_rate=SELDOM) as client:
        assert await three(client) == [200, 429, 429]
    trusted = (ip_network("127.0.0.0/8"),)
    async with defended(address_rate=SELDOM, trusted_proxies=trusted) as client:
        assert await three(client) == [200, 200, 200]


async def test_a_service_call_gets_the_remaining_time_of_the_operation(
    gateway: Gateway, defended: Defended, ann: Client
) -> None:
    left: list[float] = []

    async def slow(request: Any) -> esims_pb2.SuspendESIMResponse:
        left.append(time_left() or 0)
        await asyncio.sleep(0.5)  # real time must pass
        return esims_pb2.SuspendESIMResponse(esim=esim())

    gateway.esims.answers["SuspendESIM"] = slow
    mutation = """mutation { a: suspendESIM(esimId: "1") { success }
                             b: suspendESIM(esimId: "2") { success } }"""
    async with defended(operation_seconds=9) as client:
        assert (await client.signed_in(str(ann.token)).ask(mutation)).data
    assert 0 < left[0] <= 9
    assert 0 < left[1] <= left[0] - 0.4


async def test_after_the_deadline_no_further_mutation_is_started(
    gateway: Gateway, defended: Defended, ann: Client
) -> None:
    async def never(request: Any) -> Any:
        await asyncio.Event().wait()

    gateway.esims.answers["SuspendESIM"] = never
    mutation = """mutation { a: suspendESIM(esimId: "1") { success code }
                             b: suspendESIM(esimId: "2") { success code } }"""
    async with defended(operation_seconds=4) as client:
        # A slow machine may not begin the first in time.
        while not gateway.esims.calls["SuspendESIM"]:
            answer = await client.signed_in(str(ann.token)).ask(mutation)
    assert [error["extensions"]["code"] for error in answer.body["errors"]] == [
        "DEADLINE_EXCEEDED",
        "DEADLINE_EXCEEDED",
    ]
    assert answer.body["errors"][1]["extensions"]["reason"] == "OPERATION_TIME_OVER"
    assert answer.body["errors"][1]["path"] == ["b"]
    assert gateway.esims.calls["SuspendESIM"] == 1


async def test_each_subscription_event_has_its_own_deadline(
    gateway: Gateway, defended: Defended, ann: Client
) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with defended(operation_seconds=5) as client:  # noqa: SIM117 - one needs the other
        async with connected(client.signed_in(str(ann.token))) as socket:
            await socket.subscribe("subscription { myESIMsUpdated { id order { id } } }")
            assert await socket.data() == {"myESIMsUpdated": []}
            await asyncio.sleep(5.1)  # the first event's deadline has passed
            event = esims_pb2.WatchedESIM(esim=esims_pb2.ESIM(id="1", order_id="2"))
            event.esim.status = esims_pb2.ESIM_STATUS_ACTIVE
            await changes.publish(esims_pb2.WatchESIMsResponse(esims=[event]))
            message = await socket.receive()
            assert "errors" not in message["payload"], message
