"""Stored events of Stripe are delivered to the payments service, whatever becomes of one of them."""

import asyncio
import logging

import pytest
import stripe

from protos.orders.v1 import payments_pb2 as pb
from tests.component.webhooks.conftest import ServeWebhooks
from tests.component.webhooks.stripe_events import (
    APPLIED,
    SECRET,
    delivered,
    endpoint,
    event,
    listening,
    stand_in,
)
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.payments import PaymentSandbox


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


async def test_new_events_do_not_keep_a_retry_back(serve_webhooks: ServeWebhooks) -> None:
    [port] = free_ports(1)
    first = event()
    failed = pb.PAYMENT_EVENT_OUTCOME_NOT_APPLIED
    attempts = [failed]
    payments = stand_in(
        lambda one: attempts.pop() if one.id == first["id"] and attempts else APPLIED
    )
    async with (
        listening(payments, port),
        serve_webhooks(stripe_secrets=(SECRET,), orders_address=f"127.0.0.1:{port}") as post,
    ):
        sender = endpoint(post)
        await sender.send(first)
        # More come in faster than the worker looks for retries when it has nothing to do.
        async with asyncio.timeout(PATIENCE):
            while [one.id for one in payments.seen].count(first["id"]) < 2:
                await sender.send(event())
        rows = await delivered(sender, "DELIVERED")
    assert rows[0]["attempts"] == 2


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
    payment_provider: PaymentSandbox,
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
