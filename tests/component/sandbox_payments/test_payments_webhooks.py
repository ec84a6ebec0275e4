"""Webhooks: signatures, retries, and every way in which events arrive late, twice or not at all."""

from typing import Any

import pytest
import stripe

from sandbox.payments.webhooks.signing import header
from tests.component.sandbox_payments.conftest import Endpoint
from tests.component.sandbox_payments.objects import MANUAL, held
from tests.fixtures.payments import WEBHOOK_SECRET, PaymentSandbox


async def drained(provider: PaymentSandbox) -> None:
    await provider.control("POST", "/drain")


def test_the_published_vector() -> None:
    body = (
        b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded",'
        b'"data":{"object":{"id":"pi_1","object":"payment_intent","amount":500}}}'
    )
    assert header(["whsec_test_secret"], 1_700_000_000, body, decoy=False) == (
        "t=1700000000,v1=d4947e14022ea032b41dcd228de96ed92af480b211d91d237f12d6efe498b51d"
    )


async def test_a_payment_sends_signed_events_in_order(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await held(client)
    await client.v1.payment_intents.capture_async(intent.id, {}, {"idempotency_key": "cap:o-1"})
    await drained(payment_provider)
    assert endpoint.types(WEBHOOK_SECRET) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]
    last = endpoint.events(WEBHOOK_SECRET)[-1]
    assert (last.api_version, last.livemode) == ("2026-10-28.endive", False)
    assert last.request.idempotency_key == "cap:o-1"
    assert last.data.object["metadata"]["order_id"] == "o-1"
    assert ",v0=" in endpoint.received[0][1]["Stripe-Signature"]
    stored = await client.v1.events.retrieve_async(last.id)
    assert (stored.type, stored.pending_webhooks) == (last.type, 0)


async def test_both_secrets_of_a_rotation_verify(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    secrets = {"secrets": ["whsec_old", "whsec_new"]}
    await payment_provider.control("POST", "/webhooks", secrets)
    await held(client)
    await drained(payment_provider)
    assert endpoint.types("whsec_old") == endpoint.types("whsec_new")


async def test_failed_deliveries_are_retried_by_the_clock(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control("POST", "/delivery", {"retry_seconds": [300, 600]})
    endpoint.statuses = [500] * 3
    await held(client)
    await drained(payment_provider)
    assert len(endpoint.received) == 3
    await payment_provider.control("POST", "/clock/advance", {"seconds": 301})
    await drained(payment_provider)
    assert len(endpoint.received) == 6
    first, retried = endpoint.events(WEBHOOK_SECRET)[0], endpoint.events(WEBHOOK_SECRET)[3]
    assert first.id == retried.id
    deliveries = await payment_provider.control("GET", "/deliveries")
    assert {(one["status"], one["attempts"]) for one in deliveries} == {("delivered", 2)}


async def test_deliveries_fail_for_good_after_the_last_retry(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control(
        "POST", "/delivery", {"retry_seconds": [60], "types": ["payment_intent.created"]}
    )
    endpoint.statuses = [302] * 6
    params: Any = {**MANUAL}
    await client.v1.payment_intents.create_async(params)
    await drained(payment_provider)
    await payment_provider.control("POST", "/clock/advance", {"seconds": 61})
    await drained(payment_provider)
    [delivery] = await payment_provider.control("GET", "/deliveries")
    assert (delivery["status"], delivery["attempts"]) == ("failed", 2)
    await payment_provider.control("POST", f"/events/{delivery['event']}/resend")
    await drained(payment_provider)
    assert len(endpoint.received) == 3


@pytest.mark.parametrize(("mode", "count", "ids"), [({"copies": 2}, 6, 3), ({"twins": True}, 6, 6)])
async def test_events_arrive_twice(
    client: stripe.StripeClient,
    payment_provider: PaymentSandbox,
    endpoint: Endpoint,
    mode: dict[str, Any],
    count: int,
    ids: int,
) -> None:
    await payment_provider.control("POST", "/delivery", mode)
    await held(client)
    await drained(payment_provider)
    events = endpoint.events(WEBHOOK_SECRET)
    assert (len(events), len({event.id for event in events})) == (count, ids)
    assert len({(event.type, event.data.object["id"]) for event in events}) == 3


async def test_a_lost_event_is_found_in_the_list(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    mode = {"types": ["payment_intent.amount_capturable_updated"], "lose": 1}
    await payment_provider.control("POST", "/delivery", mode)
    await held(client)
    await drained(payment_provider)
    assert endpoint.types(WEBHOOK_SECRET) == ["payment_intent.created", "charge.succeeded"]
    listed = await client.v1.events.list_async({"type": "payment_intent.*"})
    assert [event.type for event in listed.data] == [
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
    ]


async def test_held_events_are_released_newest_first_or_shuffled(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control("POST", "/delivery", {"held": True})
    await held(client)
    await drained(payment_provider)
    assert endpoint.received == []
    await payment_provider.control("POST", "/delivery/release", {"newest_first": True})
    await drained(payment_provider)
    assert endpoint.types(WEBHOOK_SECRET)[-1] == "payment_intent.created"

    await payment_provider.control("POST", "/delivery", {"held": True, "shuffle": True, "seed": 3})
    for _ in range(3):
        await held(client)
    await payment_provider.control("POST", "/delivery/release")
    await drained(payment_provider)
    ids = [event.id for event in endpoint.events(WEBHOOK_SECRET)[3:]]
    assert len(ids) == 9
    assert ids != [id_ for id_ in payment_provider.world.log.events if id_ in ids]


async def test_a_late_event_waits_for_the_clock(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control("POST", "/delivery", {"delay_seconds": 120})
    await held(client)
    await drained(payment_provider)
    assert endpoint.received == []
    await payment_provider.control("POST", "/clock/advance", {"minutes": 3})
    await drained(payment_provider)
    assert len(endpoint.received) == 3


async def test_a_stale_event_shows_the_previous_state(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    mode = {"types": ["payment_intent.amount_capturable_updated"], "stale": True}
    await payment_provider.control("POST", "/delivery", mode)
    intent = await held(client)
    await drained(payment_provider)
    event = endpoint.events(WEBHOOK_SECRET)[-1]
    assert event.data.object["status"] == "requires_confirmation"
    assert intent.status == "requires_capture"


async def test_events_arrive_before_the_api_answers(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control("POST", "/delivery", {"before_answer": True})
    await held(client)
    assert len(endpoint.received) == 3


async def test_each_attempt_is_signed_with_the_machines_time(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    await payment_provider.control("POST", "/clock/advance", {"days": 30})
    await held(client)
    await drained(payment_provider)
    # Verified within the library's tolerance of 300 seconds.
    assert len(endpoint.events(WEBHOOK_SECRET)) == 3
