"""Authentication, parameters, expansion and lists, over plain HTTP and by the official library."""

import base64
from typing import Any

import aiohttp
import pytest
import stripe

from tests.component.sandbox_payments.conftest import make_client
from tests.component.sandbox_payments.objects import MANUAL, paid
from tests.fixtures.payments import PaymentSandbox

FORM = {"amount": "500", "currency": "usd"}


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("Bearer", 401),
        ("Bearer sk_test_wrong", 401),
        ("Basic !", 401),
        ("Token {key}", 401),
        ("Bearer {key}", 200),
        ("Basic {basic}", 200),
    ],
)
async def test_authentication(
    payment_provider: PaymentSandbox, authorization: str | None, status: int
) -> None:
    headers = {}
    if authorization is not None:
        key = payment_provider.secret_key
        basic = base64.b64encode(f"{key}:".encode()).decode()
        headers["Authorization"] = authorization.format(key=key, basic=basic)
    url = f"{payment_provider.url}/v1/payment_intents"
    answer = await payment_provider.http.get(url, headers=headers)
    assert answer.status == status
    assert answer.headers["Request-Id"].startswith("req_")
    if status == 401:
        error = (await answer.json())["error"]
        assert error["type"] == "invalid_request_error"
        assert payment_provider.secret_key not in error["message"]


async def test_the_library_reports_a_wrong_key(payment_provider: PaymentSandbox) -> None:
    client = make_client(payment_provider, key="sk_test_wrong")
    with pytest.raises(stripe.AuthenticationError) as refused:
        await client.v1.payment_intents.list_async()
    assert refused.value.http_status == 401


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": "0"}, "parameter_invalid_integer", "amount"),
        ({"amount": "49"}, "amount_too_small", "amount"),
        ({"amount": "1000000000000"}, "amount_too_large", "amount"),
        ({"currency": "xxx"}, None, "currency"),
        ({"currency": "kwd", "amount": "1001"}, None, "amount"),
        ({"currency": "isk", "amount": "10050"}, None, "amount"),
        ({"amout": "1"}, "parameter_unknown", "amout"),
        ({"metadata[a][b]": "1"}, None, "metadata[a]"),
        ({"metadata[" + "k" * 41 + "]": "1"}, None, "metadata"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"confirm": "yes"}, None, "confirm"),
        ({"description": ""}, "ok", None),
        ({"currency": ""}, "parameter_invalid_empty", "currency"),
        (
            {"payment_method_types[0]": "card"},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        (
            {"payment_method_options[card][capture]": "manual"},
            "parameter_unknown",
            "payment_method_options[card][capture]",
        ),
        (
            {
                "allowed_payment_method_types[0]": "card",
                "automatic_payment_methods[enabled]": "true",
            },
            "parameters_exclusive",
            "automatic_payment_methods",
        ),
        ({"allowed_payment_method_types[0]": "ideal"}, None, "allowed_payment_method_types"),
        ({"return_url": "https://shop.example"}, None, "return_url"),
        (
            {"statement_descriptor": "SHOP"},
            "payment_intent_invalid_parameter",
            "statement_descriptor",
        ),
        ({"customer": "cus_unknown"}, "resource_missing", "customer"),
        ({"payment_method": "pm_unknown"}, "resource_missing", "payment_method"),
        ({"expand[0]": "latest_charges"}, None, "expand"),
        ({"expand[]": "latest_charge.balance_transaction"}, "ok", None),
    ],
)
async def test_parameters(
    raw: aiohttp.ClientSession, changes: dict[str, Any], code: str | None, param: str | None
) -> None:
    form = {name: value for name, value in (FORM | changes).items() if value is not None}
    answer = await raw.post("/v1/payment_intents", data=form)
    body = await answer.json()
    if code == "ok":
        assert answer.status == 200
        return
    assert answer.status == (404 if code == "resource_missing" else 400)
    error = body["error"]
    assert (error["type"], error.get("code"), error.get("param")) == (
        "invalid_request_error",
        code,
        param,
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/payment_intents/pi_unknown", 404),
        ("GET", "/v1/charges/ch_unknown", 404),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/payment_intents", 404),
        ("GET", "/v1/payment_intents?limit=101", 400),
        ("GET", "/v1/payment_intents?starting_after=pi_unknown", 404),
        ("GET", "/v1/payment_intents?expand%5B0%5D=latest_charge", 400),
        ("GET", "/v1/payment_intents?expand%5B0%5D=data.latest_charge", 200),
        ("GET", "/v1/payment_intents?created%5Bgte%5D=1", 200),
        ("GET", "/v1/payment_intents?created%5Bfrom%5D=1", 400),
        ("GET", "/v1/balance_transactions?a[b=1", 400),
    ],
)
async def test_paths_and_queries(
    raw: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    answer = await raw.request(method, path)
    assert answer.status == status
    assert answer.headers["Request-Id"].startswith("req_")
    assert "message" in (await answer.json()).get("error", {"message": ""})


async def test_other_api_versions_are_refused(raw: aiohttp.ClientSession) -> None:
    headers = {"Stripe-Version": "2024-06-20"}
    answer = await raw.get("/v1/payment_intents", headers=headers)
    assert answer.status == 400
    good = await raw.get("/v1/payment_intents", headers={"Stripe-Version": "2026-10-28.endive"})
    assert (good.status, good.headers["Stripe-Version"]) == (200, "2026-10-28.endive")


async def test_invalid_bodies_are_refused(raw: aiohttp.ClientSession) -> None:
    for body in (b"\xff\xfe=1", b"a[b][c[=1", b"a=1&a[b]=2"):
        answer = await raw.post(
            "/v1/payment_intents",
            data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status == 400


async def test_automatic_methods_need_a_return_url(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await client.v1.payment_intents.create_async({"amount": 500, "currency": "usd"})
    assert intent.automatic_payment_methods is not None
    assert intent.automatic_payment_methods.allow_redirects == "always"
    with pytest.raises(stripe.InvalidRequestError, match="you must provide a `return_url`"):
        await client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    await payment_provider.control("POST", "/switches", {"strict_return_url": False})
    intent = await client.v1.payment_intents.confirm_async(
        intent.id, {"payment_method": "pm_card_visa"}
    )
    assert intent.status == "succeeded"


async def test_lists_are_paged_in_both_directions(client: stripe.StripeClient) -> None:
    params: Any = {**MANUAL}
    made = [(await client.v1.payment_intents.create_async(params)).id for _ in range(7)]
    newest_first = made[::-1]
    first = await client.v1.payment_intents.list_async({"limit": 3})
    assert ([one.id for one in first.data], first.has_more) == (newest_first[:3], True)
    everything = [one.id async for one in first.auto_paging_iter()]
    assert everything == newest_first
    last = await client.v1.payment_intents.list_async({"limit": 3, "starting_after": made[2]})
    assert ([one.id for one in last.data], last.has_more) == (newest_first[5:], False)
    before = await client.v1.payment_intents.list_async({"limit": 2, "ending_before": made[3]})
    assert ([one.id for one in before.data], before.has_more) == (newest_first[1:3], True)


async def test_lists_are_filtered(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    early = await paid(client)
    await payment_provider.control("POST", "/clock/advance", {"days": 1})
    late = await paid(client)
    await client.v1.refunds.create_async({"payment_intent": late.id})
    since: Any = {"created": {"gte": late.created}}
    assert [one.id for one in (await client.v1.payment_intents.list_async(since)).data] == [late.id]
    listed = await client.v1.balance_transactions.list_async({"type": "refund"})
    assert len(listed.data) == 1
    listed = await client.v1.balance_transactions.list_async(
        {"source": str(early.latest_charge), "expand": ["data.source"]}
    )
    [source] = [one.source for one in listed.data]
    assert isinstance(source, stripe.Charge)
    exact = await client.v1.charges.list_async({"created": early.created})
    assert [one.payment_intent for one in exact.data] == [early.id]


async def test_cards_are_saved_for_a_customer(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async(
        {"email": "a@b.example", "metadata": {"user_id": "u-1"}}
    )
    once = await paid(client)
    params: Any = {"customer": customer.id}
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        await client.v1.payment_methods.attach_async(str(once.payment_method), params)
    intent = await paid(client, customer=customer.id, setup_future_usage="off_session")
    saved = await client.v1.payment_methods.list_async({"customer": customer.id, "type": "card"})
    [method] = saved.data
    assert method.id == intent.payment_method
    again = await paid(client, customer=customer.id, payment_method=method.id, off_session=True)
    charges: Any = [
        await client.v1.charges.retrieve_async(str(one.latest_charge)) for one in (once, again)
    ]
    prints = {charge.payment_method_details.card.fingerprint for charge in charges}
    assert prints == {method.card.fingerprint if method.card else None}
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
        await paid(client, payment_method=method.id)
    other = await client.v1.payment_methods.attach_async("pm_card_mastercard", params)
    assert other.customer == customer.id
    await client.v1.payment_methods.detach_async(other.id)
    changed = await client.v1.customers.update_async(customer.id, {"name": "Ada"})
    assert (changed.name, changed.email) == ("Ada", "a@b.example")
    listed = await client.v1.customers.list_async({"email": "a@b.example"})
    assert [one.id for one in listed.data] == [customer.id]


@pytest.mark.parametrize(
    ("currency", "amount", "fee"),
    [("usd", 1000, 59), ("usd", 1050, 60), ("jpy", 1000, 59), ("bhd", 1000, 329)],
)
async def test_fees_are_rounded_half_up(
    client: stripe.StripeClient, currency: str, amount: int, fee: int
) -> None:
    intent = await paid(client, currency=currency, amount=amount)
    listed = await client.v1.balance_transactions.list_async({"source": str(intent.latest_charge)})
    [booked] = listed.data
    assert (booked.amount, booked.fee, booked.net) == (amount, fee, amount - fee)
    assert sum(part.amount for part in booked.fee_details) == fee
