"""Checkout Sessions, and the hosted pages without a browser."""

import asyncio
import re
from typing import Any

import aiohttp
import pytest
import stripe

from tests.component.sandbox_payments.conftest import Endpoint
from tests.component.sandbox_payments.objects import MANUAL, created
from tests.fixtures.payments import WEBHOOK_SECRET, PaymentSandbox

CARD = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "email": "a@b.example"}


async def test_a_buyer_pays_on_the_page(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    session = await created(client)
    assert (session.status, session.payment_intent, session.amount_total) == ("open", None, 1500)
    assert session.expires_at == session.created + 86_400
    assert session.url is not None
    async with payment_provider.http.get(session.url) as page:
        text = await page.text()
    assert "Japan &lt;5 GB&gt;" in text
    assert "Pay 15.00 USD" in text
    for name in ("number", "expiry", "cvc", "email"):
        assert f'<label for="{name}">' in text
    assert 'href="https://shop.example/back"' in text

    answer = await payment_provider.http.post(session.url, data=CARD, allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"] == f"https://shop.example/done?session={session.id}"
    # The event arrived before the browser was redirected.
    assert endpoint.types(WEBHOOK_SECRET)[-1] == "checkout.session.completed"

    session = await client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent.latest_charge", "line_items"]}
    )
    assert (session.status, session.payment_status, session.url) == ("complete", "unpaid", None)
    assert session.customer_details is not None
    assert session.customer_details.email == "a@b.example"
    assert session.line_items is not None
    assert session.line_items.data[0].amount_total == 1500
    intent = session.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.metadata["order_id"]) == ("requires_capture", "o-1")
    assert isinstance(intent.latest_charge, stripe.Charge)
    canceled = await client.v1.payment_intents.cancel_async(intent.id)
    assert canceled.status == "canceled"


async def test_a_double_click_pays_once(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    session = await created(client)
    assert session.url is not None
    http = payment_provider.http
    answers = await asyncio.gather(
        *(http.post(session.url, data=CARD, allow_redirects=False) for _ in range(3))
    )
    assert sorted(answer.status for answer in answers) == [200, 200, 303]
    assert len(payment_provider.world.intents) == len(payment_provider.world.charges) == 1


async def test_a_card_is_saved_for_the_customer_of_a_session(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    customer = await client.v1.customers.create_async({"email": "a@b.example"})
    options = {"card": {"setup_future_usage": "off_session"}}
    session = await created(client, customer=customer.id, payment_method_options=options)
    async with payment_provider.http.get(str(session.url)) as page:
        # The customer's address is known.
        assert 'name="email"' not in await page.text()
    await payment_provider.control("POST", f"/checkout_sessions/{session.id}/pay")
    saved = await client.v1.payment_methods.list_async({"customer": customer.id})
    assert len(saved.data) == 1


async def test_a_declined_card_leaves_the_session_open(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    session = await created(client, payment_intent_data={"metadata": {"order_id": "o-2"}})
    assert session.url is not None
    declined = await payment_provider.http.post(
        session.url, data=CARD | {"number": "4000000000009995"}
    )
    assert declined.status == 402
    assert 'role="alert"' in await declined.text()
    assert "insufficient funds" in await declined.text()
    session = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    first = session.payment_intent
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.cancel_async(str(first))
    result = await payment_provider.control(
        "POST", f"/checkout_sessions/{session.id}/pay", {"card": "4242424242424242"}
    )
    assert result["session"]["payment_status"] == "paid"
    assert result["payment_intent"]["id"] == first


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"number": "4242424242424241"}, "card number is incorrect"),
        ({"number": "5425233430109903"}, "used a non test card"),
        ({"expiry": "13/34"}, "expiration month is invalid"),
        ({"expiry": "01/20"}, "expiration year is invalid"),
        ({"expiry": "soon"}, "expiration date is incomplete"),
        ({"cvc": "12x"}, "security code is invalid"),
        ({"number": "4000000000000127"}, "security code is incorrect"),
    ],
)
async def test_impossible_cards_are_explained(
    client: stripe.StripeClient,
    payment_provider: PaymentSandbox,
    typed: dict[str, str],
    message: str,
) -> None:
    session = await created(client)
    assert session.url is not None
    answer = await payment_provider.http.post(session.url, data=CARD | typed)
    assert answer.status == 402
    assert message in (await answer.text()).replace("&#x27;", "'")


@pytest.mark.parametrize("outcome", ["complete", "fail"])
async def test_three_d_secure_on_the_page(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, outcome: str
) -> None:
    session = await created(client)
    assert session.url is not None
    http = payment_provider.http
    page = await http.post(session.url, data=CARD | {"number": "4000000000003220"})
    assert "3-D Secure" in await page.text()
    answer = await http.post(page.url, data={"outcome": outcome}, allow_redirects=False)
    session = await client.v1.checkout.sessions.retrieve_async(session.id)
    if outcome == "complete":
        assert answer.headers["Location"].startswith("https://shop.example/done")
        assert session.status == "complete"
    else:
        back = await http.get(f"{payment_provider.url}{answer.headers['Location']}")
        assert "has failed authentication" in await back.text()
        assert session.status == "open"
    # The page of a finished authentication is gone.
    assert (await http.get(page.url)).status == 404


async def test_a_session_expires(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    session = await created(client)
    session = await client.v1.checkout.sessions.expire_async(session.id)
    assert (session.status, session.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        await client.v1.checkout.sessions.expire_async(session.id)

    now = payment_provider.world.now()
    short = await created(client, expires_at=now + 1801)
    await payment_provider.control(
        "POST", f"/checkout_sessions/{short.id}/pay", {"card": "pm_card_visa_chargeDeclined"}
    )
    await payment_provider.control("POST", "/clock/advance", {"minutes": 31})
    short = await client.v1.checkout.sessions.retrieve_async(
        short.id, {"expand": ["payment_intent"]}
    )
    assert short.status == "expired"
    assert isinstance(short.payment_intent, stripe.PaymentIntent)
    assert short.payment_intent.status == "canceled"
    await payment_provider.control("POST", "/drain")
    assert endpoint.types(WEBHOOK_SECRET).count("checkout.session.expired") == 2
    answer = await payment_provider.http.get(f"{payment_provider.url}/c/pay/{short.id}")
    assert answer.status == 410


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"expires_at": 0}, "expires_at"),
        ({"expires_at": 4_000_000_000}, "expires_at"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"mode": "subscription"}, "mode"),
        ({"ui_mode": "hosted"}, "ui_mode"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax[enabled]"),
        ({"customer": "cus_unknown"}, "customer"),
        ({"line_items": []}, "line_items"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"prices": ["x"]}, "prices"),
    ],
)
async def test_invalid_sessions_are_refused(
    client: stripe.StripeClient, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await created(client, **changes)
    assert refused.value.http_status == (404 if param == "customer" else 400)
    assert refused.value.param == param


async def test_the_smallest_amount(client: stripe.StripeClient) -> None:
    item = {"price_data": {"currency": "usd", "unit_amount": 49, "product_data": {"name": "x"}}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await created(client, line_items=[item])
    assert refused.value.code == "amount_too_small"


async def test_a_person_pays_a_single_payment_intent(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    params: Any = {**MANUAL}
    intent = await client.v1.payment_intents.create_async(params)
    link = await payment_provider.control("GET", f"/payment_intents/{intent.id}/link")
    url = f"{link['url']}?return_url=https://shop.example/back?a=1"
    async with payment_provider.http.get(url) as page:
        text = await page.text()
    assert "Pay 10.99 EUR" in text
    declined = await payment_provider.http.post(url, data=CARD | {"number": "4000000000000002"})
    assert declined.status == 402
    answer: aiohttp.ClientResponse = await payment_provider.http.post(
        url, data=CARD, allow_redirects=False
    )
    assert answer.status == 303
    assert re.fullmatch(
        rf"https://shop\.example/back\?a=1&payment_intent={intent.id}"
        rf"&payment_intent_client_secret={intent.client_secret}&redirect_status=succeeded",
        answer.headers["Location"],
    )
    assert "Payment complete" in await (await payment_provider.http.get(url)).text()
    assert (await payment_provider.http.get(link["url"] + "x")).status == 404
