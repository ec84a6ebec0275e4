"""Injected faults as the official library meets them."""

from typing import Any

import aiohttp
import pytest
import stripe

from tests.component.sandbox_payments.conftest import make_client
from tests.component.sandbox_payments.objects import MANUAL
from tests.fixtures.payments import PaymentSandbox

PARAMS: Any = {**MANUAL, "confirm": True, "payment_method": "pm_card_visa"}
KEY: Any = {"idempotency_key": "pi:o-1"}


async def create(client: stripe.StripeClient) -> stripe.PaymentIntent:
    return await client.v1.payment_intents.create_async(PARAMS, KEY)


async def fault(provider: PaymentSandbox, kind: str, **fields: Any) -> None:
    await provider.control("POST", "/faults", {"kind": kind, "path": "/payment_intents", **fields})


@pytest.mark.parametrize(
    ("kind", "fields", "error", "status"),
    [
        ("error", {"status": 503}, stripe.APIError, 503),
        ("error", {"status": 402}, stripe.CardError, 402),
        ("conflict", {}, stripe.APIError, 409),
        ("rate_limit", {}, stripe.RateLimitError, 429),
        ("rate_limit", {"code": "lock_timeout"}, stripe.RateLimitError, 429),
        ("html", {}, stripe.APIError, 502),
    ],
)
async def test_refusals_before_the_execution(
    client: stripe.StripeClient,
    payment_provider: PaymentSandbox,
    kind: str,
    fields: dict[str, Any],
    error: type[stripe.StripeError],
    status: int,
) -> None:
    await fault(payment_provider, kind, **fields)
    with pytest.raises(error) as refused:
        await create(client)
    assert refused.value.http_status == status
    # The library reports no request id for a body that is not JSON.
    assert (refused.value.request_id is None) == (kind == "html")
    assert payment_provider.world.intents == {}
    assert (await create(client)).status == "requires_capture"


async def test_a_cut_answer_hides_a_payment(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    await fault(payment_provider, "cut")
    with pytest.raises(aiohttp.ClientPayloadError):
        await create(client)
    [made] = payment_provider.world.intents.values()
    again = await create(client)
    assert (again.id, again.status) == (made.id, "requires_capture")


@pytest.mark.parametrize(("effect", "made"), [("none", 0), ("done", 1)])
async def test_a_timeout_before_or_after_the_execution(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, effect: str, made: int
) -> None:
    impatient = make_client(payment_provider, timeout=2)
    await fault(payment_provider, "timeout", effect=effect)
    with pytest.raises(stripe.APIConnectionError) as failed:
        await create(impatient)
    assert failed.value.should_retry
    assert len(payment_provider.world.intents) == made
    assert (await create(client)).status == "requires_capture"
    assert len(payment_provider.world.charges) == 1


async def test_an_empty_answer_after_the_execution(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    await fault(payment_provider, "empty")
    with pytest.raises(stripe.APIError):
        await create(client)
    assert len(payment_provider.world.charges) == 1


@pytest.mark.parametrize("effect", ["none", "done"])
async def test_a_slow_answer(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, effect: str
) -> None:
    await fault(payment_provider, "slow", effect=effect, delay_seconds=0.05)
    assert (await create(client)).status == "requires_capture"


async def test_the_library_obeys_should_retry(payment_provider: PaymentSandbox) -> None:
    client = make_client(payment_provider, retries=1)
    await fault(payment_provider, "rate_limit", should_retry=True)
    assert (await create(client)).status == "requires_capture"
    await fault(payment_provider, "error", should_retry=False)
    with pytest.raises(stripe.APIError):
        await client.v1.payment_intents.create_async(PARAMS)
    requests = await payment_provider.control("GET", "/requests")
    assert [one["status"] for one in requests] == [429, 200, 500]
    assert requests[0]["idempotency_key"] == requests[1]["idempotency_key"] == "pi:o-1"


async def test_a_500_may_be_stored_though_nothing_happened(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    await fault(payment_provider, "error", stored=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await create(client)
    assert payment_provider.world.intents == {}


async def test_a_redirect_loses_the_request(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox
) -> None:
    await fault(payment_provider, "redirect")
    answer = await raw.post("/v1/payment_intents", data={"amount": "1"}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/v1/payment_intents")


async def test_faults_are_counted_skipped_and_removed(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    await fault(payment_provider, "error", skip=1, count=2)
    outcomes = []
    for _ in range(4):
        try:
            await client.v1.payment_intents.create_async(PARAMS)
        except stripe.APIError:
            outcomes.append("failed")
        else:
            outcomes.append("made")
    assert outcomes == ["made", "failed", "failed", "made"]
    assert await payment_provider.control("GET", "/faults") == []
    await fault(payment_provider, "error", count=0, method="POST")
    [one] = await payment_provider.control("GET", "/faults")
    removed = await payment_provider.control("DELETE", f"/faults/{one['id']}")
    assert removed == {"removed": 1}


async def test_a_probability_is_reproducible(payment_provider: PaymentSandbox) -> None:
    client = make_client(payment_provider)
    runs = []
    for _ in range(2):
        await fault(payment_provider, "error", probability=0.5, seed=7, count=0)
        outcomes = []
        for _ in range(12):
            try:
                await client.v1.payment_intents.create_async(PARAMS)
            except stripe.APIError:
                outcomes.append(False)
            else:
                outcomes.append(True)
        runs.append(outcomes)
        await payment_provider.control("DELETE", "/faults")
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2
