"""Events of Stripe: signed ones are stored once each, all others are refused."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from tests.component.webhooks.conftest import ServeWebhooks
from tests.component.webhooks.full_disk import FULL, HEAL
from tests.component.webhooks.stripe_events import BEFORE, SECRET, Endpoint, endpoint, event, signed


@pytest.fixture
async def stripe_endpoint(serve_webhooks: ServeWebhooks) -> AsyncIterator[Endpoint]:
    async with serve_webhooks(stripe_secrets=(SECRET, BEFORE)) as post:
        yield endpoint(post)


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


@pytest.mark.parametrize("ahead", [-600, -300, 600])
async def test_the_clock_of_the_database_decides_whether_a_timestamp_is_old(
    stripe_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    of_machine, body = time.time, json.dumps(event())
    recent, old = signed(body), signed(body, age=310)
    monkeypatch.setattr(time, "time", lambda: of_machine() + ahead)
    status, answer = await stripe_endpoint.post(body, old)
    assert (status, answer["code"]) == (401, "OLD_TIMESTAMP")
    status, _ = await stripe_endpoint.post(body, recent)
    assert status == 200


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


async def test_an_event_type_without_an_owner_is_stored(stripe_endpoint: Endpoint) -> None:
    status, _ = await stripe_endpoint.send(event("customer.created"))
    assert status == 200
    [row] = await stripe_endpoint.rows()
    assert (row["state"], row["owner"], row["last_error"]) == ("KEPT", None, "an unknown type")
