"""Automatic persisted queries and trusted documents."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.documents.persisted import MAX_TEXT
from gateway.documents.trusted import TrustedDocuments
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Answered, Client, Gateway
from tests.fixtures.persisted_queries import named, sha256
from tests.fixtures.programs.redis_server import RedisServer
from tests.fixtures.sandboxes import Auth
from tests.fixtures.sockets import connected

QUERY = "query Featured($n: Int) { featuredPlans(first: $n) { name } }"
GRAPHQL = {"Accept": "application/graphql-response+json"}
OLD = {"Accept": "*/*, application/json"}


def refusals(answer: Answered) -> tuple[str, str]:
    assert "data" not in answer.body
    return answer.error["message"], answer.code


@pytest.fixture
def shop(gateway: Gateway) -> Gateway:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse()
    return gateway


async def test_a_hash_is_executed_after_its_text_was_sent(shop: Gateway) -> None:
    hash_ = sha256(QUERY)
    missing = await shop.client.send(named(hash_), GRAPHQL)
    assert missing.status == 400
    assert refusals(missing) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    # Clients that don't know GraphQL's media type treat any status but 200 as a network error.
    assert (await shop.client.send(named(hash_), OLD)).status == 200
    sent = await shop.client.send(named(hash_, query=QUERY, variables={"n": 3}))
    again = await shop.client.send(named(hash_, variables={"n": 4}))
    assert sent.data == again.data == {"featuredPlans": []}
    assert [request.page_size for request in shop.catalogue.requests] == [3, 4]


async def test_a_hash_can_be_sent_by_get(shop: Gateway) -> None:
    await shop.client.send(named(sha256(QUERY), query=QUERY))
    params = {key: json.dumps(value) for key, value in named(sha256(QUERY)).items()}
    async with shop.client.http.get(f"{shop.client.url}/graphql", params=params) as answer:
        assert (await answer.json()) == {"data": {"featuredPlans": []}}


async def test_a_persisted_mutation_is_refused_by_get(shop: Gateway) -> None:
    query = "mutation { __typename }"
    assert (await shop.client.send(named(sha256(query), query=query))).data
    params = {key: json.dumps(value) for key, value in named(sha256(query)).items()}
    async with shop.client.http.get(f"{shop.client.url}/graphql", params=params) as answer:
        assert answer.status == 405


async def test_a_mismatched_hash_is_refused_and_nothing_is_stored(shop: Gateway) -> None:
    for hash_ in (sha256("{ __typename }"), sha256(QUERY).upper(), "x"):
        answer = await shop.client.send(named(hash_, query=QUERY))
        assert answer.code == "PERSISTED_QUERY_HASH_MISMATCH"
        assert (await shop.client.send(named(hash_))).code == "PERSISTED_QUERY_NOT_FOUND"
    assert not shop.catalogue.calls


@pytest.mark.parametrize(
    "query",
    [
        "{ featuredPlans { name }",
        "{ featuredPlans { name } } #" + "x" * MAX_TEXT,
        "{ nothing }",
        "{ featuredPlans { name nothing } }",
        "query($unused: Int) { featuredPlans { name } }",
        "{ featuredPlans { ...Nothing } }",
        "subscription { nothing }",
    ],
)
async def test_an_invalid_or_long_document_is_not_stored(shop: Gateway, query: str) -> None:
    roomy = replace(shop.settings, max_body=4 * MAX_TEXT)
    assert roomy.max_body > len(query)
    await shop.client.send(named(sha256(query), query=query))
    answer = await shop.client.send(named(sha256(query)))
    assert answer.code == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("over", ["http", "events", "socket"])
async def test_a_client_above_its_quota_evicts_only_its_own_documents(
    shop: Gateway, ann: Client, over: str
) -> None:
    async with shop.another(persisted_per_client=3) as client:
        customer = replace(ann, url=client.url)
        texts = [f"{{ featuredPlans {{ name }} }} # {n}" for n in range(5)]
        for text in texts[:2]:
            assert (await client.send(named(sha256(text), query=text))).status == 200
        for text in (texts[0], *texts[2:], "{ __typename }"):  # the first one is stored already
            payload = named(sha256(text), query=text)
            if over == "socket":
                async with connected(customer) as socket:
                    await socket.send(id="1", type="subscribe", payload=payload)
                    assert (await socket.receive())["type"] == "next"
                continue
            stream = {"Accept": "text/event-stream", "Connection": "close"}
            accept = stream if over == "events" else {}
            headers = accept | {"Authorization": f"Bearer {customer.token}"}
            async with client.http.post(
                f"{client.url}/graphql", json=payload, headers=headers
            ) as answer:
                assert b"data" in await answer.read()
        known = [text for text in texts if "data" in (await client.send(named(sha256(text)))).body]
        assert known == [*texts[:2], *texts[3:]]


@pytest.mark.parametrize(
    "persisted", [1, [], {"version": 2, "sha256Hash": "x"}, {"version": 1}, {"sha256Hash": "x"}]
)
async def test_a_malformed_persisted_query_is_refused_with_a_message(
    shop: Gateway, persisted: Any
) -> None:
    answer = await shop.client.send({"query": QUERY, "extensions": {"persistedQuery": persisted}})
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert "sha256Hash" in answer.error["message"]


async def test_persisted_queries_can_be_switched_off(shop: Gateway) -> None:
    async with shop.another(persisted_queries=False) as client:
        hash_ = sha256(QUERY)
        assert (await client.send(named(hash_, query=QUERY))).data == {"featuredPlans": []}
        answer = await client.send(named(hash_))
        assert refusals(answer) == ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")


async def test_processes_share_persisted_documents_through_redis(
    shop: Gateway, redis_server: RedisServer
) -> None:
    redis: Any = redis_server.redis
    url = redis_server.url
    async with shop.another(redis_url=url) as one, shop.another(redis_url=url) as two:
        await one.send(named(sha256(QUERY), query=QUERY))
        assert (await two.send(named(sha256(QUERY)))).data == {"featuredPlans": []}
        # Write access to Redis is not enough to replace a document.
        (name,) = redis.keys()
        redis.set(name, redis.get(name).replace(b"Featured", b"Mutilated"))
        assert (await two.send(named(sha256(QUERY)))).code == "PERSISTED_QUERY_NOT_FOUND"


async def test_only_trusted_documents_are_executed(shop: Gateway) -> None:
    trusted = TrustedDocuments({"featured": QUERY}, only=True)
    async with shop.another(trusted_documents=trusted) as client:
        for fit in (
            {"documentId": "featured"},
            named("featured"),
            {"query": QUERY},
            {"query": "query Featured($n:Int) {\n  featuredPlans(first: $n), { name } # all\n}"},
            named(sha256(QUERY), query=QUERY),
            named(sha256(QUERY)),
        ):
            assert (await client.send(fit)).data == {"featuredPlans": []}, fit
        for unfit in (
            {"query": "{ __typename }"},
            {"query": "{ __schema { types { name } } }"},
            {"query": "{"},
            {"query": f"{QUERY} query More {{ __typename }}"},
            named(sha256("{ __typename }"), query="{ __typename }"),
        ):
            answer = await client.send(unfit)
            assert answer.code == "DOCUMENT_NOT_TRUSTED", unfit
            assert "data" not in answer.body
        # It was refused, so it is not stored either.
        repeated = await client.send(named(sha256("{ __typename }")))
        assert repeated.code == "PERSISTED_QUERY_NOT_FOUND"


async def test_untrusted_documents_are_refused_on_every_transport(
    shop: Gateway, auth: Auth
) -> None:
    trusted = TrustedDocuments({"featured": QUERY}, only=True)
    async with shop.another(trusted_documents=trusted) as client:
        ann = client.signed_in(await auth.token("ann@example.com"))
        async with connected(ann) as socket:
            await socket.subscribe("{ __typename }")
            assert (await socket.error())["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
            await socket.send(id="x", type="subscribe", payload={"documentId": "featured"})
            assert await socket.data() == {"featuredPlans": []}
        body, headers = {"query": "{ __typename }"}, {"Accept": "text/event-stream"}
        url = f"{client.url}/graphql"
        async with client.http.post(url, json=body, headers=headers) as events:
            assert "DOCUMENT_NOT_TRUSTED" in await events.text()
        params = {"query": "{ __typename }"}
        async with client.http.get(url, params=params) as answer:
            assert (await answer.json())["errors"][0]["extensions"][
                "code"
            ] == "DOCUMENT_NOT_TRUSTED"


async def test_other_documents_are_executed_unless_only_trusted_ones_are_allowed(
    shop: Gateway,
) -> None:
    trusted = TrustedDocuments({sha256(QUERY): QUERY}, only=False)
    async with shop.another(trusted_documents=trusted) as client:
        body = {"documentId": f"sha256:{sha256(QUERY)}", "variables": {"n": 2}}
        assert (await client.send(body)).data == {"featuredPlans": []}
        assert (await client.send({"query": "{ __typename }"})).data == {"__typename": "Query"}
        unknown = await client.send({"documentId": "other"})
        assert unknown.code == "DOCUMENT_NOT_FOUND"


async def test_a_text_and_an_id_together_are_refused(client: Client) -> None:
    answer = await client.send({"query": QUERY, "documentId": "featured"})
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    for id_ in (1, ""):
        assert (await client.send({"documentId": id_})).status == 400
