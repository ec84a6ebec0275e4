"""Events of Stripe: signed ones are stored once each and delivered, all others are refused."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import grpc
import pytest
import stripe

from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1.payments_pb2_grpc import (
    PaymentsServiceServicer,
    add_PaymentsServiceServicer_to_server,
)
from tests.component.webhooks.conftest import Post, ServeWebhooks
from tests.component.webhooks.test_database_states import FULL, HEAL
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import until
from tests.fixtures.payments import PlayedPayments
from tests.fixtures.postgres import Databases

SECRET, BEFORE = "whsec_of_this_test", "whsec_before"
APPLIED = pb.PAYMENT_EVENT_OUTCOME_APPLIED
Outcome: TypeAlias = "Callable[[pb.PaymentEvent], pb.PaymentEventOutcome.ValueType]"
ROWS = """
select i.*, d.state, d.owner, d.outcome, d.last_error, d.attempts
from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id order by d.sequence
"""


def event(kind: str = "payment_intent.succeeded", **changes: Any) -> dict[str, Any]:
    about = {"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret_x"}
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": about},
        **changes,
    }


def signed(body: str, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    at = int(time.time()) - age
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, at)}


@dataclass(slots=True)
class Endpoint:
    """The webhook process as Stripe sees it."""

    url: str
    http: aiohttp.ClientSession
    databases: Databases

    async def post(self, body: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.url, data=body.encode(), headers=headers) as answer:
            return answer.status, await answer.json()

    async def send(self, content: dict[str, Any], **how: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps(content)
        return await self.post(body, signed(body, **how))

    async def rows(self) -> list[Any]:
        return list(await self.databases.admin.fetch(ROWS))


def endpoint(post: Post) -> Endpoint:
    url = post.url.replace("/webhooks/esim-go", "/webhooks/stripe")
    return Endpoint(url, post.http, post.databases)


@pytest.fixture
async def stripe_endpoint(serve_webhooks: ServeWebhooks) -> AsyncIterator[Endpoint]:
    async with serve_webhooks(stripe_secrets=(SECRET, BEFORE)) as post:
        yield endpoint(post)


@dataclass
class Payments(PaymentsServiceServicer):
    """Stands in for the payments service: records events, and answers as `outcome` says."""

    outcome: Callable[[pb.PaymentEvent], "pb.PaymentEventOutcome.ValueType"] = lambda _event: (
        APPLIED
    )
    seen: list[pb.PaymentEvent] = field(default_factory=list)

    async def ApplyPaymentEvents(
        self, request: pb.ApplyPaymentEventsRequest, context: Any
    ) -> pb.ApplyPaymentEventsResponse:
        self.seen.extend(request.events)
        return pb.ApplyPaymentEventsResponse(outcomes=map(self.outcome, request.events))


def stand_in(outcome: Outcome = lambda _event: APPLIED) -> Payments:
    return Payments(outcome)  # type: ignore[abstract] # its other methods are never called


@asynccontextmanager
async def listening(payments: Payments, port: int) -> AsyncIterator[None]:
    server = grpc.aio.server()
    add_PaymentsServiceServicer_to_server(payments, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@pytest.mark.parametrize("secret", [SECRET, BEFORE])
async def test_a_signed_event_is_stored_by_its_ids_alone(
    stripe_endpoint: Endpoint, secret: str
) -> None:
    sent = event()
    status, answer = await stripe_endpoint.send(sent, secret=secret)
    assert (status, answer["received"]) == (200, True)
    [row] = await stripe_endpoint.rows()
    assert (row["sender_event_id"], row["event_type"]) == (sent["id"], "payment_intent.succeeded")
    assert (row["state"], row["owner"]) == ("PENDING", "payments")
    assert b"secret" not in row["body"]
    assert str(row["id"]) == answer["id"]


async def test_the_same_event_fifty_times_at_once_is_one_row(stripe_endpoint: Endpoint) -> None:
    sent = event()
    answers = await asyncio.gather(*(stripe_endpoint.send(sent) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["id"] for _, answer in answers}) == 1
    [row] = await stripe_endpoint.rows()
    assert row["times_received"] == 50


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "UNSIGNED"),
        ({"Stripe-Signature": "t=1,v1=00"}, "BAD_SIGNATURE"),
        ({"Stripe-Signature": "nonsense"}, "BAD_SIGNATURE"),
    ],
)
async def test_a_forged_event_is_refused_and_not_stored(
    stripe_endpoint: Endpoint, headers: dict[str, str], code: str
) -> None:
    status, answer = await stripe_endpoint.post(json.dumps(event()), headers)
    assert (status, answer["code"], answer["received"]) == (401, code, False)
    assert await stripe_endpoint.rows() == []


async def test_another_secret_and_an_old_timestamp_are_refused(stripe_endpoint: Endpoint) -> None:
    status, answer = await stripe_endpoint.send(event(), secret="whsec_of_somebody")
    assert (status, answer["code"]) == (401, "BAD_SIGNATURE")
    status, answer = await stripe_endpoint.send(event(), age=310)
    assert (status, answer["code"]) == (401, "OLD_TIMESTAMP")
    body = json.dumps(event())
    status, answer = await stripe_endpoint.post(body + " ", signed(body))
    assert (status, answer["code"]) == (401, "BAD_SIGNATURE")
    assert await stripe_endpoint.rows() == []


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "text", '{"object": "v2.core.event", "id": "evt_1"}']
)
async def test_a_signed_body_that_is_no_event_is_refused(
    stripe_endpoint: Endpoint, body: str
) -> None:
    status, answer = await stripe_endpoint.post(body, signed(body))
    assert (status, answer["code"]) == (400, "NOT_AN_EVENT")
    assert await stripe_endpoint.rows() == []


async def test_too_large_a_body_is_refused(stripe_endpoint: Endpoint) -> None:
    status, answer = await stripe_endpoint.send(event(padding="x" * 70_000))
    assert (status, answer["code"]) == (413, "TOO_LARGE")


async def test_an_event_that_can_not_be_stored_is_not_acknowledged(
    stripe_endpoint: Endpoint,
) -> None:
    sent, admin = event(), stripe_endpoint.databases.admin
    await admin.execute(FULL)
    status, answer = await stripe_endpoint.send(sent)
    assert (status, answer["code"]) == (503, "NOT_STORED")
    await admin.execute(HEAL)
    status, _ = await stripe_endpoint.send(sent)
    assert status == 200
    assert len(await stripe_endpoint.rows()) == 1


async def test_without_a_secret_every_event_is_refused(serve_webhooks: ServeWebhooks) -> None:
    async with serve_webhooks() as post:
        closed = endpoint(post)
        for secret in (SECRET, ""):
            status, answer = await closed.send(event(), secret=secret)
            assert (status, answer["code"]) == (401, "NOT_CONFIGURED")
        assert await closed.rows() == []


async def test_a_callback_of_the_esim_provider_is_no_event_of_stripe(
    stripe_endpoint: Endpoint,
) -> None:
    body = json.dumps({"alertType": "FirstAttachment", "iccid": "8943108169900000016"})
    status, _ = await stripe_endpoint.post(body, {"X-Signature-SHA256": "00"})
    assert status == 401


async def test_a_type_that_matters_to_nobody_is_kept(stripe_endpoint: Endpoint) -> None:
    status, _ = await stripe_endpoint.send(event("customer.created"))
    assert status == 200
    [row] = await stripe_endpoint.rows()
    assert (row["state"], row["owner"], row["last_error"]) == ("KEPT", None, "an unknown type")


async def test_events_wait_for_the_payments_service_and_then_arrive(
    serve_webhooks: ServeWebhooks,
) -> None:
    [port] = free_ports(1)
    payments = stand_in()
    async with serve_webhooks(stripe_secrets=(SECRET,), orders_address=f"127.0.0.1:{port}") as post:
        sender = endpoint(post)
        sent = [event(), event("charge.captured"), event("refund.failed")]
        for one in sent:
            await sender.send(one)
        async with listening(payments, port):
            await until(lambda: len(payments.seen) >= 3)
            await delivered(sender, "DELIVERED")
    assert {one.id for one in payments.seen} == {one["id"] for one in sent}
    assert {row["attempts"] for row in await sender.rows()} == {1}


async def delivered(sender: Endpoint, *states: str) -> list[Any]:
    """Wait until all events have one of these states."""
    while {row["state"] for row in await sender.rows()} - set(states):
        await asyncio.sleep(0.02)
    return await sender.rows()


async def test_one_failing_event_holds_up_no_other_and_becomes_a_dead_letter(
    serve_webhooks: ServeWebhooks,
) -> None:
    [port] = free_ports(1)
    bad = event()
    failed = pb.PAYMENT_EVENT_OUTCOME_NOT_APPLIED
    payments = stand_in(lambda one: failed if one.id == bad["id"] else APPLIED)
    async with (
        listening(payments, port),
        serve_webhooks(
            stripe_secrets=(SECRET,), orders_address=f"127.0.0.1:{port}", max_attempts=2
        ) as post,
    ):
        sender = endpoint(post)
        await sender.send(bad)
        for _ in range(3):
            await sender.send(event())
        rows = await delivered(sender, "DELIVERED", "DEAD")
        assert [row["state"] for row in rows] == ["DEAD", "DELIVERED", "DELIVERED", "DELIVERED"]
        assert rows[0]["attempts"] == 2


async def test_unknown_payments_are_foreign_and_ignored_events_are_done(
    serve_webhooks: ServeWebhooks,
) -> None:
    [port] = free_ports(1)
    foreign = event()
    outcomes = {foreign["id"]: pb.PAYMENT_EVENT_OUTCOME_UNKNOWN_PAYMENT}
    ignored = pb.PAYMENT_EVENT_OUTCOME_IGNORED
    payments = stand_in(lambda one: outcomes.get(one.id, ignored))
    async with (
        listening(payments, port),
        serve_webhooks(
            stripe_secrets=(SECRET,), orders_address=f"127.0.0.1:{port}", foreign_seconds=0
        ) as post,
    ):
        sender = endpoint(post)
        await sender.send(foreign)
        await sender.send(event())
        rows = await delivered(sender, "DELIVERED", "KEPT")
        assert [(row["state"], row["owner"]) for row in rows] == [
            ("KEPT", "payments"),
            ("DELIVERED", "payments"),
        ]
        assert rows[1]["outcome"] == "IGNORED"


async def test_events_of_the_sandbox_arrive_signed_and_once(
    serve_webhooks: ServeWebhooks,
    payment_provider: PlayedPayments,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "webhooks")
    [port] = free_ports(1)
    payments = stand_in()
    async with (
        listening(payments, port),
        serve_webhooks(
            stripe_secrets=(payment_provider.webhook_secret,), orders_address=f"127.0.0.1:{port}"
        ) as post,
    ):
        receiver = endpoint(post)
        await payment_provider.control("POST", "/webhooks", {"url": receiver.url})
        await payment_provider.control("POST", "/delivery", {"copies": 3, "decoy": True})
        client = stripe.StripeClient(
            payment_provider.secret_key,
            base_addresses={"api": payment_provider.url},
            http_client=stripe.AIOHTTPClient(session=payment_provider.http),
        )
        intent = await client.v1.payment_intents.create_async(
            {"amount": 500, "currency": "eur", "capture_method": "manual"}
        )
        await payment_provider.control("POST", f"/payment_intents/{intent.id}/pay", {})
        capturable = "payment_intent.amount_capturable_updated"
        await until(lambda: any(one.type == capturable for one in payments.seen))
        rows = await delivered(receiver, "DELIVERED")
    assert all(one.intent_id == intent.id for one in payments.seen)
    assert len({row["sender_event_id"] for row in rows}) == len(rows)
    assert intent.client_secret
    own = [r.getMessage() for r in caplog.records if not r.name.startswith("stripe")]
    assert all(intent.client_secret not in line for line in own)
    assert all(intent.client_secret.encode() not in row["body"] for row in rows)
