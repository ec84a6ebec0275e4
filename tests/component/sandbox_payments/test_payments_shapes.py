"""Objects have the members of the published examples, and nulls only where the library allows them."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import stripe

from tests.component.sandbox_payments.objects import created, held, paid
from tests.fixtures.payments import PaymentSandbox

# The examples are published with the provider's specification, and are no part of this project.
PLACES = [parent / "shared/stripe/fixtures3.json" for parent in Path(__file__).parents]
EXAMPLES = next((place for place in PLACES if place.is_file()), None)
CLASSES: dict[str, type[stripe.StripeObject]] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "checkout.session": stripe.checkout.Session,
    "event": stripe.Event,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning,
    "payout": stripe.Payout,
    "customer": stripe.Customer,
    "payment_method": stripe.PaymentMethod,
    "item": stripe.LineItem,
    "file": stripe.File,
    "review": stripe.Review,
}
# Members whose keys are the caller's, or depend on the type of payment method.
FREE = {"metadata", "payment_method_options", "fraud_details", "object", "tip", "shipping"}
# Members that exist only when they are expanded.
EXPANDED = {"charge": {"refunds"}}


@pytest.fixture
async def objects(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> list[dict[str, Any]]:
    """Objects of every kind, in many states."""
    params: dict[str, Any] = {"amount": 500, "currency": "usd"}
    await client.v1.payment_intents.create_async({"amount": 500, "currency": "usd"})
    customer = await client.v1.customers.create_async({"email": "a@b.example"})
    await held(client, customer=customer.id, setup_future_usage="off_session")
    session = await created(client)
    await payment_provider.control("POST", f"/checkout_sessions/{session.id}/pay")
    await created(client)
    intent = await paid(client, payment_method="pm_card_createDispute")
    await payment_provider.control("POST", f"/charges/{intent.latest_charge}/early-fraud-warning")
    await payment_provider.control("POST", f"/charges/{intent.latest_charge}/review")
    debited = await client.v1.payment_intents.create_async({"amount": 700, "currency": "eur"})
    path = f"/payment_intents/{debited.id}"
    await payment_provider.control("POST", f"{path}/pay", {"debit": True})
    await payment_provider.control("POST", f"{path}/settle", {"succeeds": False})
    for card in ("pm_card_refundFail", "pm_card_pendingRefund", "pm_card_bypassPending"):
        refunded = await paid(client, payment_method=card, **params)
        await client.v1.refunds.create_async({"payment_intent": refunded.id, "amount": 100})
    action = await paid(client, payment_method="pm_card_threeDSecure2Required")
    assert action.status == "requires_action"
    with pytest.raises(stripe.CardError):
        await paid(client, payment_method="pm_card_radarBlock")
    await payment_provider.control("POST", "/clock/advance", {"hours": 2})
    await payment_provider.control("POST", "/payouts", {"currency": "usd"})
    content = io.BytesIO(b"image")
    content.name = "a.png"
    await client.v1.files.create_async({"purpose": "dispute_evidence", "file": content})
    snapshot = await payment_provider.control("GET", "/snapshot")
    found = [
        one
        for name in snapshot
        if isinstance(snapshot[name], list)
        for one in snapshot[name]
        if "object" in one
    ]
    async with payment_provider.http.get(
        f"{payment_provider.url}/v1/events?limit=100",
        headers={"Authorization": f"Bearer {payment_provider.secret_key}"},
    ) as answer:
        found += (await answer.json())["data"]
    items = payment_provider.world.sessions[session.id].line_items
    files = payment_provider.world.files.values()
    return [*found, *(item.to_json() for item in items), *(file.to_json() for file in files)]


async def test_members_and_types_are_those_of_the_examples(objects: list[dict[str, Any]]) -> None:
    if EXAMPLES is None:
        pytest.skip("the published examples are not here")
    examples = json.loads(EXAMPLES.read_text())["resources"]
    differences = {
        difference
        for one in objects
        for difference in differs(one, examples[one["object"]], one["object"])
    }
    assert sorted(differences) == []
    assert {one["object"] for one in objects} == set(CLASSES)


async def test_nulls_are_those_that_the_library_expects(objects: list[dict[str, Any]]) -> None:
    wrong = {
        name for one in objects for name in wrong_nulls(one, CLASSES[one["object"]], one["object"])
    }
    assert sorted(wrong) == []


def differs(given: Mapping[str, Any], example: Mapping[str, Any], name: str) -> Iterator[str]:
    """Name the members that are missing, or have another type than in the example."""
    absent = set(EXPANDED.get(name, ()))
    if given.get("type") != example.get("type"):
        # The details of another type are in another member.
        absent.add(str(example.get("type")))
    for key in example.keys() - given.keys() - absent:
        yield f"{name}.{key} is missing"
    for key in given.keys() & example.keys():
        mine, theirs = given[key], example[key]
        if mine is None or theirs is None:
            continue
        if kind_of(mine) != kind_of(theirs):
            yield f"{name}.{key} is {kind_of(mine)}, not {kind_of(theirs)}"
        elif isinstance(mine, Mapping) and key not in FREE:
            yield from differs(mine, theirs, f"{name}.{key}")


def kind_of(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def wrong_nulls(
    given: Mapping[str, Any], cls: type[stripe.StripeObject], name: str
) -> Iterator[str]:
    """Name the members that the library doesn't know, or that are null though it expects a value."""
    annotations: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        annotations |= getattr(base, "__annotations__", {})
    inner = cls.__dict__.get("_inner_class_types", {})
    for key, value in given.items():
        if key not in annotations:
            yield f"{name}.{key} is unknown"
        elif value is None and type(None) not in get_args(annotations[key]):
            yield f"{name}.{key} is null"
        elif isinstance(value, Mapping) and key in inner:
            yield from wrong_nulls(value, inner[key], f"{name}.{key}")
