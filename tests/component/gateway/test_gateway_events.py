"""Operations over server-sent events: format, completion, and early refusals."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

import gateway.__main__ as gateway_process
from kit.errors import Failure, Kind
from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, order_event
from tests.fixtures.patience import CLOCKS_DIFFER, PATIENCE
from tests.fixtures.sandboxes import Auth

FOLLOW = "subscription($id: ID!) { orderUpdated(orderId: $id) { id status } }"
NO_HEADERS: Mapping[str, str] = {}


@dataclass(slots=True)
class Events:
    """An open event stream."""

    answer: aiohttp.ClientResponse

    async def next(self) -> tuple[str, Any]:
        """Return the next event and its data without comments; ("", None) at the end of the stream."""
        name, data = "", None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.answer.content.readline()).decode():
                field, _, value = line.rstrip("\n").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data":
                    data = json.loads(value) if value.strip() else None
                elif not line.strip() and name:
                    return name, data
        return "", None


@asynccontextmanager
async def streamed(
    client: Client, query: str, headers: Mapping[str, str] = NO_HEADERS, /, **variables: Any
) -> AsyncIterator[Events]:
    headers = {"Accept": "text/event-stream", **headers}
    if client.token is not None:
        headers["Authorization"] = f"Bearer {client.token}"
    body = {"query": query, "variables": variables}
    async with client.http.post(f"{client.url}/graphql", json=body, headers=headers) as answer:
        yield Events(answer)


async def test_a_subscription_streams_each_change_of_an_order(
    ann: Client, changes: Changes
) -> None:
    async with streamed(ann, FOLLOW, id=ORDER_ID) as events:
        assert events.answer.status == 200
        assert events.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert events.answer.headers["Cache-Control"] == "no-store"
        assert events.answer.headers["X-Request-Id"]
        first = {"data": {"orderUpdated": {"id": ORDER_ID, "status": "PROCESSING"}}}
        assert await events.next() == ("next", first)
        await changes.publish(order_event())
        _, second = await events.next()
        assert second["data"]["orderUpdated"]["status"] == "COMPLETED"


async def test_a_query_sends_one_event_and_completes(ann: Client) -> None:
    async with streamed(ann, "{ __typename }") as events:
        assert await events.next() == ("next", {"data": {"__typename": "Query"}})
        assert await events.next() == ("complete", None)
        assert await events.next() == ("", None)


async def test_a_stream_announces_that_its_connection_closes(ann: Client) -> None:
    for _ in range(20):
        async with streamed(ann, "{ __typename }") as events:
            assert events.answer.headers["Connection"] == "close"
            while (await events.next())[0]:
                pass
        # Without that header, the client would send this on the closed connection.
        assert (await ann.ask("{ __typename }")).data == {"__typename": "Query"}


async def test_the_idempotency_header_applies_to_a_purchase_answered_by_events(
    gateway: Gateway, ann: Client
) -> None:
    query = 'mutation { purchaseESIM(planId: "1") { success error } }'
    async with streamed(ann, query, {"Idempotency-Key": "k-1"}) as events:
        _, body = await events.next()
        assert body["data"]["purchaseESIM"]["success"] is True
    assert gateway.orders.requests[-1].idempotency_key == "k-1"


async def test_get_carries_subscriptions_but_no_mutations(ann: Client, changes: Changes) -> None:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {ann.token}"}
    for query, check in (
        (FOLLOW, lambda body: body["data"]["orderUpdated"]["id"] == ORDER_ID),
        (
            'mutation { suspendESIM(esimId: "1") { success } }',
            lambda body: body["errors"][0]["message"] == "Send mutations by POST",
        ),
    ):
        params = {"query": query}
        if query is FOLLOW:
            params["variables"] = json.dumps({"id": ORDER_ID})
        async with ann.http.get(f"{ann.url}/graphql", params=params, headers=headers) as answer:
            name, body = await Events(answer).next()
            assert name == "next"
            assert check(body)  # type: ignore[no-untyped-call]  # a table of checks


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "BAD_REQUEST"),
        ("subscription { nothing }", "BAD_REQUEST"),
        ("{ " + "a { " * 20 + "b" + " }" * 21, "TOO_COMPLEX"),
    ],
)
async def test_a_refused_document_is_reported_as_an_event(
    ann: Client, query: str, code: str
) -> None:
    async with streamed(ann, query) as events:
        assert events.answer.status == 200
        name, body = await events.next()
        assert (name, body["errors"][0]["extensions"]["code"]) == ("next", code)
        assert "data" not in body
        assert await events.next() == ("complete", None)


async def test_a_refusal_of_the_service_is_reported_as_an_event(
    gateway: Gateway, ann: Client
) -> None:
    refusal = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No order of yours has this id")
    gateway.orders.answers["WatchOrder"] = refusal
    async with streamed(ann, FOLLOW, id=ORDER_ID) as events:
        _, body = await events.next()
        assert body["errors"][0]["extensions"]["reason"] == "ORDER_NOT_FOUND"
        assert await events.next() == ("complete", None)


async def test_without_a_session_only_guarded_fields_are_refused(
    client: Client, changes: Changes
) -> None:
    async with streamed(client, FOLLOW, id=ORDER_ID) as events:
        _, body = await events.next()
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    async with streamed(client, "{ __typename }") as events:
        assert (await events.next())[1] == {"data": {"__typename": "Query"}}
    async with streamed(client.signed_in("nonsense"), "{ __typename }") as events:
        assert events.answer.status == 401


async def test_a_stream_ends_with_its_session_and_without_complete(
    gateway: Gateway, changes: Changes, auth: Auth
) -> None:
    session = await auth.sign_in("ann@example.com", expires_in=2)
    client = gateway.client.signed_in(session["access_token"])
    async with streamed(client, FOLLOW, id=ORDER_ID) as events:
        while (received := await events.next())[0] == "next":
            pass  # once, unless two seconds were not enough for it
        assert received == ("", None)
        assert time.time() > session["expires_at"] - CLOCKS_DIFFER
    await changes.until_open(0)


async def test_a_stop_ends_streams_at_once(
    gateway: Gateway, ann: Client, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds that requests in flight get: more than the test waits.
    monkeypatch.setattr(gateway_process, "SHUTDOWN_TIMEOUT", 10 * PATIENCE)
    async with asyncio.timeout(PATIENCE), gateway.another(ann) as client:
        answering = streamed(client, FOLLOW, id=ORDER_ID)
        events = await answering.__aenter__()
        assert (await events.next())[0] == "next"
    assert await events.next() == ("", None)
    await answering.__aexit__(None, None, None)


async def test_a_subscription_over_plain_http_is_refused_with_instructions(ann: Client) -> None:
    answer = await ann.ask(FOLLOW, id=ORDER_ID)
    assert answer.status == 400
    assert "text/event-stream" in answer.error["message"]
    assert "graphql-transport-ws" in answer.error["message"]


JSON, EVENTS = "application/json", "text/event-stream"
GRAPHQL = "application/graphql-response+json"
URQL = f"{GRAPHQL}, application/graphql+json, {JSON}, {EVENTS}, multipart/mixed"
PREFERENCES = [
    # Accept header, media type of a query's response, media type of a subscription's response
    (f"{JSON}, {EVENTS};q=0.5", JSON, EVENTS),
    (f"{EVENTS}, {JSON}", JSON, EVENTS),
    (URQL, GRAPHQL, EVENTS),
    (EVENTS, EVENTS, EVENTS),
    (f"{EVENTS}, multipart/mixed", EVENTS, EVENTS),
    (f"{EVENTS}, {JSON};q=0.9", EVENTS, EVENTS),
    (f"{EVENTS}, */*", JSON, EVENTS),
    (f"{EVENTS}, */*;q=0.1", EVENTS, EVENTS),
    (f"{EVENTS}, application/*;q=0.9, */*", EVENTS, EVENTS),
    (f"{EVENTS}, {JSON};q=0", EVENTS, EVENTS),
    (f"{EVENTS};q=0, {JSON}", JSON, JSON),
    # Not qualities: they count as 1.
    (f"{JSON};q=nan, {EVENTS};q=inf", JSON, EVENTS),
    (f"{JSON}, {EVENTS};q=5", JSON, EVENTS),
    (f"{JSON};q=-1, {EVENTS}", JSON, EVENTS),
    ("*/*", JSON, JSON),
]


@pytest.mark.parametrize(("accept", "query", "subscription"), PREFERENCES)
async def test_event_streams_are_used_for_subscriptions_and_when_preferred(
    gateway: Gateway, ann: Client, accept: str, query: str, subscription: str
) -> None:
    gateway.orders.answers["WatchOrder"] = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "None such")
    headers = {"Accept": accept, "Authorization": f"Bearer {ann.token}"}
    for text, kind in (("{ __typename }", query), (FOLLOW, subscription)):
        payload = {"query": text, "variables": {"id": ORDER_ID}}
        async with ann.http.post(f"{ann.url}/graphql", json=payload, headers=headers) as answer:
            assert answer.content_type == kind


async def test_an_invalid_document_is_400_although_events_are_accepted(ann: Client) -> None:
    for text in ("{ nothing }", "{", "subscription { nothing }", "query A { a } query B { b }"):
        async with ann.http.post(
            f"{ann.url}/graphql", json={"query": text}, headers={"Accept": URQL}
        ) as answer:
            kind = EVENTS if text.startswith("subscription") else GRAPHQL
            assert (answer.content_type, answer.status) == (kind, 200 if kind == EVENTS else 400)


async def test_multiple_accept_headers_are_combined(ann: Client) -> None:
    headers = [("Accept", EVENTS), ("Accept", JSON)]
    async with ann.http.post(
        f"{ann.url}/graphql", json={"query": "{ __typename }"}, headers=headers
    ) as answer:
        assert answer.content_type == JSON
