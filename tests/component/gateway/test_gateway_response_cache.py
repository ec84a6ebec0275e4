"""The gateway's cache of public answers: scope, HTTP headers, and invalidation."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from kit.auth.sessions import Role
from tests.fixtures.gateway import Client
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform

WINDOW = "{ featuredPlans(first: 5) { id name price } }"


@pytest.fixture
async def caching(platform: Platform) -> AsyncIterator[tuple[Client, Client]]:
    """Two gateways with a response cache in front of the same services."""
    async with (
        platform.another(response_cache_seconds=60) as one,
        platform.another(response_cache_seconds=60) as other,
    ):
        yield one, other


async def post(client: Client, query: str, **variables: Any) -> aiohttp.ClientResponse:
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    answer = await client.http.post(
        f"{client.url}/graphql", json={"query": query, "variables": variables}, headers=headers
    )
    await answer.read()
    return answer


async def get(client: Client, query: str, **headers: str) -> aiohttp.ClientResponse:
    answer = await client.http.get(
        f"{client.url}/graphql", params={"query": query}, headers={"Accept": "*/*"} | headers
    )
    await answer.read()
    return answer


async def featured(client: Client) -> list[str]:
    """Return the ids of the featured plans; the gateway caches the response."""
    answer = await (await post(client, WINDOW)).json()
    return [plan["id"] for plan in answer["data"]["featuredPlans"]]


async def test_a_public_response_is_cached_and_reports_its_max_age(
    caching: tuple[Client, Client],
) -> None:
    client, _ = caching
    first, second = await post(client, WINDOW), await post(client, WINDOW)
    assert await first.read() == await second.read()
    for answer in (first, second):
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert int(answer.headers["Age"]) < 60
        assert answer.headers["Vary"] == "Accept, Authorization"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_matching_etag_gets_304(caching: tuple[Client, Client]) -> None:
    client, _ = caching
    first = await get(client, WINDOW)
    assert first.status == 200
    again = await get(client, WINDOW, **{"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await get(client, WINDOW, **{"If-None-Match": '"other"'})
    assert other.status == 200
    posted = await client.http.post(
        f"{client.url}/graphql",
        json={"query": WINDOW},
        headers={"If-None-Match": first.headers["ETag"]},
    )
    assert posted.status == 200  # 304 is defined for GET only


async def test_a_personal_response_is_never_cached(
    caching: tuple[Client, Client], platform: Platform
) -> None:
    client, _ = caching
    ann = client.signed_in(await platform.auth.token("ann@example.com"))
    bob = client.signed_in(await platform.auth.token("bob@example.com"))
    await platform.buy(ann)
    query = "{ featuredPlans(first: 1) { name } myESIMs { iccid } }"
    hers = await post(ann, query)
    assert hers.headers["Cache-Control"] == "no-store"
    assert "ETag" not in hers.headers
    assert len((await hers.json())["data"]["myESIMs"]) == 1
    assert (await (await post(bob, query)).json())["data"]["myESIMs"] == []
    nobodys = await (await post(client, query)).json()
    assert nobodys["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_customers_and_anonymous_clients_share_a_response_and_a_bad_token_is_refused(
    caching: tuple[Client, Client], platform: Platform
) -> None:
    client, _ = caching
    ann = client.signed_in(await platform.auth.token("ann@example.com"))
    first, second = await post(ann, WINDOW), await post(client, WINDOW)
    assert await first.read() == await second.read()
    assert (await post(client.signed_in("rubbish"), WINDOW)).status == 401


async def test_responses_are_cached_by_variables_operation_and_media_type(
    caching: tuple[Client, Client],
) -> None:
    client, _ = caching
    query = """query A($n: Int!) { featuredPlans(first: $n) { id } }
        query B($n: Int!) { featuredPlans(first: $n) { name } }"""

    async def ask(name: str, n: int, accept: str = "application/json") -> aiohttp.ClientResponse:
        answer = await client.http.post(
            f"{client.url}/graphql",
            json={"query": query, "operationName": name, "variables": {"n": n}},
            headers={"Accept": accept},
        )
        await answer.read()
        return answer

    for _ in range(2):
        one = await (await ask("A", 1)).json()
        two = await (await ask("A", 2)).json()
        named = await (await ask("B", 1)).json()
        assert len(one["data"]["featuredPlans"]) == 1
        assert len(two["data"]["featuredPlans"]) == 2
        assert list(named["data"]["featuredPlans"][0]) == ["name"]
        graphql = await ask("A", 1, "application/graphql-response+json")
        assert graphql.content_type == "application/graphql-response+json"


async def test_an_error_is_not_cached(caching: tuple[Client, Client]) -> None:
    client, _ = caching
    for _ in range(2):
        answer = await post(client, "{ featuredPlans(first: 99) { id } }")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "errors" in await answer.json()


async def test_a_response_that_is_too_large_is_not_cached(platform: Platform) -> None:
    async with platform.another(response_cache_seconds=60, max_answer=50) as client:
        for _ in range(2):
            answer = await post(client, WINDOW)
            assert answer.headers["Cache-Control"] == "no-store"
            (error,) = (await answer.json())["errors"]
            assert error["extensions"]["reason"] == "ANSWER_BYTES"


async def test_a_hidden_plan_disappears_from_every_gateway(
    caching: tuple[Client, Client], platform: Platform
) -> None:
    first, *_ = await featured(caching[0])
    assert first in await featured(caching[1])
    await platform.hide(first)
    async with asyncio.timeout(PATIENCE):
        for client in caching:
            while first in await featured(client):
                await asyncio.sleep(0.01)


async def test_a_cached_response_is_refused_above_the_callers_cost_limit(
    caching: tuple[Client, Client], platform: Platform
) -> None:
    defence = platform.gateway_settings.defence
    async with platform.another(
        response_cache_seconds=60,
        defence=replace(defence, costs={**defence.costs, Role.ANONYMOUS: 5}),
    ) as client:
        ann = client.signed_in(await platform.auth.token("ann@example.com"))
        answer = await client.http.post(
            f"{client.url}/graphql",
            json={"query": WINDOW},
            headers={"Authorization": f"Bearer {ann.token}", "GraphQL-Cost": "?"},
        )
        assert answer.status == 200
        assert answer.headers["GraphQL-Cost"].endswith("limit=250000")
        refused = json.loads(await (await post(client, WINDOW)).read())
        assert refused["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"


async def test_a_repeated_request_gets_a_new_request_id(caching: tuple[Client, Client]) -> None:
    client, _ = caching
    answers = [await post(client, WINDOW) for _ in range(6)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 6


async def test_a_repeated_request_counts_against_the_rate(platform: Platform) -> None:
    # One request at once and the next after 100 s, however slow the machine is.
    defence = replace(platform.gateway_settings.defence, address_rate=0.01)
    async with platform.another(response_cache_seconds=60, defence=defence) as client:
        assert [(await post(client, WINDOW)).status for _ in range(3)] == [200, 429, 429]
        refused = await post(client, WINDOW)
        assert 0 < int(refused.headers["Retry-After"]) <= 100


async def test_a_repeated_request_from_a_cross_origin_page_is_refused(
    caching: tuple[Client, Client],
) -> None:
    client, _ = caching
    for _ in range(2):
        assert (await get(client, WINDOW)).status == 200
    refused = await get(client, WINDOW, **{"Sec-Fetch-Site": "cross-site"})
    assert refused.status == 403
    assert (await refused.json())["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_body_that_is_too_large_is_refused_as_a_graphql_error(
    platform: Platform,
) -> None:
    async with platform.another(response_cache_seconds=60, max_body=1_024) as client:
        assert (await post(client, WINDOW)).status == 200
        refused = await post(client, WINDOW + " " * 1_024)
        assert refused.status == 413
        assert "errors" in await refused.json()


async def test_a_repeated_request_with_a_bad_token_is_not_served_from_the_cache(
    caching: tuple[Client, Client],
) -> None:
    client, _ = caching
    for _ in range(2):
        assert (await post(client, WINDOW)).status == 200
    assert (await post(client.signed_in("rubbish"), WINDOW)).status == 401
