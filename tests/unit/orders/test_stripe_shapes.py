"""Objects of Stripe that are not as documented are refused, never guessed at."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orders.payments.port import IntentState, ProviderRefundState
from services.orders.payments.stripe import objects
from services.orders.payments.stripe.shapes import Shape, ShapeError

CHARGE: dict[str, Any] = {
    "object": "charge",
    "id": "ch_1",
    "outcome": {"type": "authorized", "risk_level": "normal"},
    "payment_method_details": {
        "card": {"fingerprint": "Fp1", "last4": "4242", "capture_before": 1_900_000_000}
    },
}
INTENT: dict[str, Any] = {
    "object": "payment_intent",
    "id": "pi_1",
    "livemode": False,
    "status": "requires_capture",
    "amount": 1250,
    "amount_capturable": 1250,
    "amount_received": 0,
    "currency": "eur",
    "metadata": {"payment_id": "p"},
    "latest_charge": CHARGE,
    "client_secret": "pi_1_secret_x",
}
DISPUTE: dict[str, Any] = {
    "object": "dispute",
    "id": "dp_1",
    "livemode": False,
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "amount": 1250,
    "currency": "eur",
    "reason": "fraudulent",
    "status": "needs_response",
    "created": 1_800_000_000,
    "evidence_details": {"due_by": 1_800_600_000},
    "balance_transactions": [{"amount": -1250, "currency": "eur", "created": 1_800_000_000}],
}


def read(value: Any, kind: str, convert: Callable[[Shape], Any]) -> Any:
    # As it arrives: through JSON.
    shape = Shape(json.loads(json.dumps(value)), kind)
    shape.expect(kind, live=False)
    return convert(shape)


def test_an_intent_as_documented() -> None:
    intent = read(INTENT, "payment_intent", objects.intent)
    assert (intent.state, intent.amount) == (IntentState.AUTHORIZED, Decimal("12.50"))
    assert intent.capture_before == datetime.fromtimestamp(1_900_000_000, UTC)
    assert (intent.card_last4, intent.card_fingerprint) == ("4242", "Fp1")


@pytest.mark.parametrize(
    "change",
    [
        {"object": "charge"},
        {"livemode": True},
        {"id": None},
        {"id": "pi 1"},
        {"id": "x" * 256},
        {"id": 1},
        {"status": "astonishing"},
        {"status": None},
        {"amount": "1250"},
        {"amount": 12.5},
        {"amount": True},
        {"amount": -1},
        {"amount": 10**12},
        {"amount_received": None},
        {"currency": "EURO"},
        {"currency": "EUR"},
        {"currency": None},
        {"latest_charge": "ch_1"},
        {"latest_charge": {"object": "charge"}},
        {"latest_charge": {**CHARGE, "payment_method_details": []}},
        {
            "latest_charge": {
                **CHARGE,
                "payment_method_details": {"card": {"capture_before": 99_999_999_999_999}},
            }
        },
        {"metadata": []},
        {"client_secret": {"x": 1}},
    ],
    ids=str,
)
def test_a_wrong_intent_is_refused_without_showing_it(change: dict[str, Any]) -> None:
    with pytest.raises(ShapeError) as refused:
        read({**INTENT, **change}, "payment_intent", objects.intent)
    assert "1250" not in str(refused.value)
    assert "astonishing" not in str(refused.value)


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_only_objects_are_read(value: Any) -> None:
    with pytest.raises(ShapeError):
        Shape(value, "payment_intent")


@pytest.mark.parametrize(
    ("movements", "withdrawn"),
    [
        ([], False),
        ([(1, -1250)], True),
        ([(1, -1250), (1, 1250)], False),
        # Exchanged at the rates of two days.
        ([(1, -10800), (2, 10650)], False),
        ([(2, 10650), (1, -10800)], False),
        ([(1, -10650), (2, 10800)], False),
        ([(1, -10650), (2, 10800), (3, -10700)], True),
        ([(3, -10700), (2, 10800), (1, -10650)], True),
    ],
)
def test_a_dispute_says_who_has_the_money(
    movements: list[tuple[int, int]], withdrawn: bool
) -> None:
    rows = [
        {"amount": amount, "currency": "eur", "created": 1_800_000_000 + second}
        for second, amount in movements
    ]
    dispute = read({**DISPUTE, "balance_transactions": rows}, "dispute", objects.dispute)
    assert (dispute.withdrawn, dispute.closed) == (withdrawn, False)
    assert dispute.taken == bool(movements)
    assert dispute.respond_by == datetime.fromtimestamp(1_800_600_000, UTC)


@pytest.mark.parametrize("status", ["won", "lost", "warning_closed", "prevented"])
def test_a_dispute_that_is_over(status: str) -> None:
    assert read({**DISPUTE, "status": status}, "dispute", objects.dispute).closed


def test_no_answer_is_possible_without_a_date() -> None:
    changed = {**DISPUTE, "evidence_details": {"due_by": 0}}
    assert read(changed, "dispute", objects.dispute).respond_by is None


def test_a_refund_that_waits_for_the_customer_is_pending() -> None:
    refund = {
        "object": "refund",
        "id": "re_1",
        "amount": 500,
        "currency": "eur",
        "status": "requires_action",
        "payment_intent": {"object": "payment_intent", "id": "pi_1"},
        "metadata": None,
    }
    read_refund = read(refund, "refund", objects.refund)
    assert (read_refund.state, read_refund.intent_id) == (ProviderRefundState.PENDING, "pi_1")
    assert read_refund.refund_id == ""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(INTENT)), ANYTHING)
def test_whatever_a_field_is_an_intent_is_read_or_refused(name: str, value: Any) -> None:
    try:
        intent = objects.intent(Shape({**INTENT, name: value}, "payment_intent"))
    except ShapeError:
        return
    assert intent.amount.is_finite()
    assert intent.amount >= 0
    assert len(intent.id) <= 255


@given(st.sampled_from(sorted(DISPUTE)), ANYTHING)
def test_whatever_a_field_is_a_dispute_is_read_or_refused(name: str, value: Any) -> None:
    try:
        objects.dispute(Shape({**DISPUTE, name: value}, "dispute"))
    except ShapeError:
        return
