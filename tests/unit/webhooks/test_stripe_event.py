"""Reading of Stripe's events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.orders.v1 import payments_pb2 as pb
from webhooks.callback import Owner
from webhooks.stripe.event import NotAnEvent, read, understand

INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 500,
    "client_secret": "pi_1_secret_2",
    "metadata": {"payment_id": "a-payment", "note": "of the customer"},
    "receipt_email": "ada@example.com",
}


def body(kind: str = "payment_intent.succeeded", about: Any = INTENT, **changes: Any) -> bytes:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1_790_000_000,
        "livemode": False,
        "data": {"object": about},
    }
    return json.dumps(event | changes).encode()


def understood(raw: bytes) -> pb.PaymentEvent:
    found = understand(read(raw).body)
    assert found.owner is Owner.PAYMENTS
    assert isinstance(found.event, pb.PaymentEvent)
    return found.event


def test_an_intent() -> None:
    event = understood(body())
    assert (event.id, event.type) == ("evt_1", "payment_intent.succeeded")
    assert (event.object_id, event.intent_id, event.charge_id) == ("pi_1", "pi_1", "")
    assert (event.payment_id, event.livemode) == ("a-payment", False)
    assert event.created_at.seconds == 1_790_000_000


@pytest.mark.parametrize(
    ("kind", "about", "intent", "charge"),
    [
        (
            "charge.captured",
            {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
            "pi_1",
            "ch_1",
        ),
        (
            "charge.dispute.created",
            {"object": "dispute", "id": "dp_1", "payment_intent": "pi_1", "charge": {"id": "ch_1"}},
            "pi_1",
            "ch_1",
        ),
        ("refund.failed", {"object": "refund", "id": "re_1", "payment_intent": None}, "", ""),
        ("checkout.session.completed", {"object": "checkout.session", "id": "cs_1"}, "", ""),
        (
            "radar.early_fraud_warning.created",
            {"object": "radar.early_fraud_warning", "id": "issfr_1", "charge": "ch_1"},
            "",
            "ch_1",
        ),
    ],
)
def test_other_objects(kind: str, about: dict[str, Any], intent: str, charge: str) -> None:
    event = understood(body(kind, about))
    assert (event.object_id, event.intent_id, event.charge_id) == (about["id"], intent, charge)


def test_only_ids_are_stored() -> None:
    stored = read(body()).body.decode()
    for hidden in ("secret", "ada@example.com", "note", "500"):
        assert hidden not in stored


def test_an_unknown_type_has_no_owner() -> None:
    found = understand(read(body("customer.created")).body)
    assert (found.type, found.owner, found.problem) == ("customer.created", None, "an unknown type")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"1",
        b"{",
        b"[" * 100_000,
        body(object="v2.core.event"),
        body(id=None),
        body(id="evt 1"),
        body(id="x" * 256),
        body(type=7),
        body(type="payment_intent.succeeded\n"),
        body(livemode="false"),
        body(created="yesterday"),
        body(created=True),
        body(created=10**30),
        body(data=None),
        body(data={"object": []}),
    ],
)
def test_what_is_no_event(raw: bytes) -> None:
    with pytest.raises(NotAnEvent):
        read(raw)


@pytest.mark.parametrize(
    "about", [{}, {"metadata": []}, {"metadata": "x"}, {"id": 1, "charge": []}]
)
def test_odd_objects_name_nothing(about: dict[str, Any]) -> None:
    event = understood(body(about=about))
    assert (event.object_id, event.intent_id, event.charge_id, event.payment_id) == ("", "", "", "")


@pytest.mark.parametrize("stored", [b"", b"{}", b"[]", b'{"object": "event", "id": "evt_1"}'])
def test_a_stored_body_of_another_form_is_not_understood(stored: bytes) -> None:
    assert understand(stored).owner is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_any_body_is_an_event_or_none(about: Any, metadata: Any, content: Any) -> None:
    for raw in (
        json.dumps(content).encode(),
        body(about=about),
        body(about={"metadata": metadata, "id": content, "charge": about}),
        body(data=content, created=about, livemode=metadata),
    ):
        try:
            stored = read(raw).body
        except NotAnEvent:
            continue
        understand(stored)
