"""Idempotency keys: what is stored, what is replayed, and what is refused."""

import asyncio

import aiohttp
import pytest

from tests.fixtures.payments import PaymentSandbox

KEY = {"Idempotency-Key": "key-1"}
FORM = {"amount": "500", "currency": "usd", "allowed_payment_method_types[0]": "card"}


async def test_an_answer_is_replayed_until_a_day_has_passed(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox
) -> None:
    first = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    again = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    assert (await first.json()) == (await again.json())
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert again.headers["Idempotency-Key"] == "key-1"
    await payment_provider.control("POST", "/clock/advance", {"hours": 24})
    later = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    assert (await later.json())["id"] != (await first.json())["id"]
    assert len(payment_provider.world.intents) == 2


async def test_another_request_with_the_same_key_is_refused(raw: aiohttp.ClientSession) -> None:
    first = await (await raw.post("/v1/payment_intents", data=FORM, headers=KEY)).json()
    for path, form in (
        ("/v1/payment_intents", FORM | {"amount": "600"}),
        (f"/v1/payment_intents/{first['id']}/cancel", {}),
    ):
        answer = await raw.post(path, data=form, headers=KEY)
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "idempotency_error"


async def test_a_declined_card_is_stored(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox
) -> None:
    form = FORM | {"confirm": "true", "payment_method": "pm_card_visa_chargeDeclined"}
    first = await raw.post("/v1/payment_intents", data=form, headers=KEY)
    again = await raw.post("/v1/payment_intents", data=form, headers=KEY)
    assert (first.status, again.status) == (402, 402)
    assert await first.text() == await again.text()
    assert len(payment_provider.world.charges) == 1


async def test_a_refusal_by_the_state_is_stored(raw: aiohttp.ClientSession) -> None:
    intent = await (await raw.post("/v1/payment_intents", data=FORM)).json()
    path = f"/v1/payment_intents/{intent['id']}"
    early = await raw.post(f"{path}/capture", headers=KEY)
    assert early.status == 400
    await raw.post(f"{path}/cancel")
    again = await raw.post(f"{path}/capture", headers=KEY)
    error = (await again.json())["error"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert error["payment_intent"]["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"kind": "rate_limit"}, 429), ({"kind": "conflict"}, 409), ({"kind": "error"}, 500)],
)
async def test_what_did_not_execute_is_not_stored(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox, fault: object, status: int
) -> None:
    await payment_provider.control("POST", "/faults", fault)
    refused = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    assert refused.status == status
    created = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    assert created.status == 200
    assert "Idempotent-Replayed" not in created.headers


async def test_invalid_parameters_and_keys_are_not_stored(raw: aiohttp.ClientSession) -> None:
    invalid = await raw.post("/v1/payment_intents", data=FORM | {"amount": "x"}, headers=KEY)
    assert (await invalid.json())["error"]["code"] == "parameter_invalid_integer"
    unauthorized = await raw.post(
        "/v1/payment_intents", data=FORM, headers=KEY | {"Authorization": "Bearer sk_test_other"}
    )
    assert unauthorized.status == 401
    assert (await raw.post("/v1/payment_intents", data=FORM, headers=KEY)).status == 200
    long = {"Idempotency-Key": "k" * 256}
    assert (await raw.post("/v1/payment_intents", data=FORM, headers=long)).status == 400


async def test_a_stored_500_is_replayed_though_the_payment_was_made(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox
) -> None:
    await payment_provider.control("POST", "/faults", {"kind": "error", "effect": "done"})
    first = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    again = await raw.post("/v1/payment_intents", data=FORM, headers=KEY)
    assert (first.status, again.status) == (500, 500)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(payment_provider.world.intents) == 1


async def test_a_parallel_request_with_the_same_key_gets_409(
    raw: aiohttp.ClientSession, payment_provider: PaymentSandbox
) -> None:
    await payment_provider.control("POST", "/faults", {"kind": "slow", "delay_seconds": 0.5})
    answers = await asyncio.gather(
        raw.post("/v1/payment_intents", data=FORM, headers=KEY),
        raw.post("/v1/payment_intents", data=FORM, headers=KEY),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert len(payment_provider.world.intents) == 1
