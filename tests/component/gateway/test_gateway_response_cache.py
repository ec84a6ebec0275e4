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
async def keeping(platform: Platform) -> AsyncIterator[tuple[Client, Client]]:
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


async def shown(client: Client) -> list[str]:
    """Return the plans of the window, which caches them."""
    answer = await (await post(client, WINDOW)).json()
    return [plan["id"] for plan in answer["data"]["featuredPlans"]]


async def test_a_public_answer_is_kept_and_says_how_long(keeping: tuple[Client, Client]) -> None:
    client, _ = keeping
    first, second = await post(client, WINDOW), await post(client, WINDOW)
    assert await first.read() == await second.read()
    for answer in (first, second):
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert int(answer.headers["Age"]) < 60
        assert answer.headers["Vary"] == "Accept, Authorization"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_who_has_the_answer_already_is_told_so(keeping: tuple[Client, Client]) -> None:
    client, _ = keeping
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


async def test_a_personal_answer_is_never_kept(
    keeping: tuple[Client, Client], platform: Platform
) -> None:
    client, _ = keeping
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


async def test_customers_and_strangers_share_the_same_bytes_and_a_bad_token_does_not(
    keeping: tuple[Client, Client], platform: Platform
) -> None:
    client, _ = keeping
    ann = client.signed_in(await platform.auth.token("ann@example.com"))
    first, second = await post(ann, WINDOW), await post(client, WINDOW)
    assert await first.read() == await second.read()
    assert (await post(client.signed_in("rubbish"), WINDOW)).status == 401


async def test_variables_operations_and_media_types_have_answers_of_their_own(
    keeping: tuple[Client, Client],
) -> None:
    client, _ = keeping
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


async def test_an_error_is_not_kept(keeping: tuple[Client, Client]) -> None:
    client, _ = keeping
    for _ in range(2):
        answer = await post(client, "{ featuredPlans(first: 99) { id } }")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "errors" in await answer.json()


async def test_what_an_administrator_hides_is_gone_from_every_gateway(
    keeping: tuple[Client, Client], platform: Platform
) -> None:
    first, *_ = await shown(keeping[0])
    assert first in await shown(keeping[1])
    await platform.hide(first)
    async with asyncio.timeout(PATIENCE):
        for client in keeping:
            while first in await shown(client):
                await asyncio.sleep(0.01)


async def test_a_kept_answer_costs_what_it_would_cost_anew(
    keeping: tuple[Client, Client], platform: Platform
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


async def test_the_same_bytes_again_get_a_new_request_id(keeping: tuple[Client, Client]) -> None:
    client, _ = keeping
    answers = [await post(client, WINDOW) for _ in range(6)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 6


async def test_the_same_bytes_again_count_for_the_rate(platform: Platform) -> None:
    # One request at once and the next after 100 s, however slow the machine is.
    defence = replace(platform.gateway_settings.defence, address_rate=0.01)
    async with platform.another(response_cache_seconds=60, defence=defence) as client:
        assert [(await post(client, WINDOW)).status for _ in range(3)] == [200, 429, 429]
        refused = await post(client, WINDOW)
        assert 0 < int(refused.headers["Retry-After"]) <= 100


async def test_the_same_bytes_from_a_foreign_page_are_refused(
    keeping: tuple[Client, Client],
) -> None:
    client, _ = keeping
    for _ in range(2):
        assert (await get(client, WINDOW)).status == 200
    refused = await get(client, WINDOW, **{"Sec-Fetch-Site": "cross-site"})
    assert refused.status == 403
    assert (await refused.json())["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_body_that_is_too_large_is_refused_in_the_words_of_errors(
    platform: Platform,
) -> None:
    async with platform.another(response_cache_seconds=60, max_body=1_024) as client:
        assert (await post(client, WINDOW)).status == 200
        refused = await post(client, WINDOW + " " * 1_024)
        assert refused.status == 413
        assert "errors" in await refused.json()


async def test_the_same_bytes_with_a_session_are_not_nobodys(
    keeping: tuple[Client, Client],
) -> None:
    client, _ = keeping
    for _ in range(2):
        assert (await post(client, WINDOW)).status == 200
    assert (await post(client.signed_in("rubbish"), WINDOW)).status == 401
