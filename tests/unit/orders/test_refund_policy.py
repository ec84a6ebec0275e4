"""What a customer gets back, by policy and by what happened to the order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values import currencies
from services.orders.payment import PaymentState, RefundDestination
from services.orders.payments.policy import (
    MESSAGES,
    Item,
    Limit,
    RefundPolicy,
    RefundPolicyError,
    Shortfall,
    Sold,
    refundable,
)
from tests.unit.orders.sold import payment

BOUGHT = datetime(2026, 11, 1, tzinfo=UTC)
NOW = BOUGHT + timedelta(days=3)
FRESH = Item(installed=False, used=False)
INSTALLED = Item(installed=True, used=False)
USED = Item(installed=True, used=True, returnable=False)
GONE = Item(installed=False, used=False, returnable=False)
LAX = RefundPolicy.parse("window_days=none,only_if_not_installed=false,only_if_unused=false")


def sold(*items: Item, **changes: Any) -> Sold:
    values: dict[str, Any] = {"bought_at": BOUGHT, "quantity": len(items) or 1, "items": items}
    return Sold(**(values | changes))


def paid(**changes: Any) -> Any:
    return payment(**({"captured": Decimal(10), "refunded": Decimal(0)} | changes))


def in_kwd(amount: str) -> Any:
    return paid(amount=Decimal(amount), captured=Decimal(amount), currency="KWD")


def test_a_policy_survives_its_text_and_its_json() -> None:
    text = "window_days=30, only_if_not_installed=false,only_if_unused=TRUE,fee=2.5%,to=wallet"
    policy = RefundPolicy.parse(text)
    expected = RefundPolicy(30, False, True, Decimal("2.5"), RefundDestination.WALLET)
    assert policy == expected
    assert RefundPolicy.from_json(policy.to_json()) == policy
    assert RefundPolicy.from_json({}) == RefundPolicy.parse("") == RefundPolicy()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("days=3", "window_days"),
        ("window_days", "window_days=..."),
        ("window_days=-1", "number of days"),
        ("window_days=99999", "number of days"),
        ("window_days=1,window_days=2", "twice"),
        ("only_if_unused=yes", "true or false"),
        ("fee=101", "percentage"),
        ("fee=-1", "percentage"),
        ("fee=", "percentage"),
        ("to=bank", "card or wallet"),
    ],
)
def test_a_malformed_policy_says_what_is_expected(text: str, named: str) -> None:
    with pytest.raises(RefundPolicyError, match=named):
        RefundPolicy.parse(text)


@pytest.mark.parametrize(
    ("policy", "bought", "money", "amount", "reason"),
    [
        ("", sold(FRESH), paid(), "10", None),
        ("", sold(FRESH), paid(state=PaymentState.AUTHORIZED), "0", Shortfall.NOT_CAPTURED),
        ("", sold(FRESH), paid(state=PaymentState.PAID), "0", Shortfall.NOT_CAPTURED),
        ("", sold(FRESH), paid(refunded=Decimal(10)), "0", Shortfall.ALREADY_REFUNDED),
        ("", sold(FRESH), paid(captured=Decimal(0)), "0", Shortfall.NOTHING_PAID),
        ("", sold(FRESH), paid(refunded=Decimal(4)), "6", None),
        ("", sold(FRESH, ended=True), paid(), "0", Shortfall.CANCELLED),
        ("", sold(items=None), paid(), "0", Shortfall.UNKNOWN),
        ("window_days=3", sold(FRESH), paid(), "0", Shortfall.WINDOW_OVER),
        ("window_days=4", sold(FRESH), paid(), "10", None),
        ("window_days=none", sold(FRESH), paid(), "10", None),
        ("", sold(INSTALLED), paid(), "0", Shortfall.INSTALLED),
        ("only_if_not_installed=false", sold(INSTALLED), paid(), "10", None),
        ("", sold(USED), paid(), "0", Shortfall.USED),
        ("", sold(GONE), paid(), "0", Shortfall.NOT_RETURNABLE),
        ("only_if_unused=false", sold(USED), paid(), "0", Shortfall.USED),
        ("", sold(FRESH, INSTALLED, USED), paid(), "3.33", Shortfall.INSTALLED),
        ("only_if_not_installed=false", sold(FRESH, INSTALLED, USED), paid(), "6.66", "USED"),
        ("fee=5", sold(FRESH), paid(), "9.5", Shortfall.FEE),
        ("fee=33.333", sold(FRESH), paid(), "6.66", Shortfall.FEE),
        ("fee=100", sold(FRESH), paid(), "0", Shortfall.FEE),
        # A card gets two decimal places. A wallet may have paid, and gets back, three.
        ("fee=7", sold(FRESH), in_kwd("5.12"), "4.76", Shortfall.FEE),
        ("", sold(FRESH), in_kwd("5.125"), "5.125", None),
    ],
)
def test_what_goes_back(policy: str, bought: Sold, money: Any, amount: str, reason: Any) -> None:
    found = refundable(RefundPolicy.parse(policy), money, bought, NOW)
    assert (found.amount, found.reason) == (Decimal(amount), reason)
    assert bool(found.message) == bool(reason)
    if not found.amount:
        assert found.until is None


def test_a_refundable_order_has_the_end_of_its_period() -> None:
    assert refundable(RefundPolicy(), paid(), sold(FRESH), NOW).until == BOUGHT + timedelta(days=14)


@pytest.mark.parametrize(("currency", "whole"), [("USD", "10"), ("JPY", "1000"), ("KWD", "0.100")])
def test_parts_that_are_cancelled_one_after_the_other_give_back_everything(
    currency: str, whole: str
) -> None:
    given = Decimal(0)
    total = Decimal(whole)
    for revoked in range(3):
        money = paid(amount=total, captured=total, refunded=given, currency=currency)
        left = sold(FRESH, quantity=3, given=Decimal(100 * revoked))
        found = refundable(RefundPolicy(), money, left, NOW, cancelled=given)
        given += found.amount
    assert given == total


@given(
    st.integers(1, 10**7),
    st.integers(1, 10),
    st.data(),
    st.sampled_from(("USD", "JPY", "KWD")),
    st.integers(0, 100),
)
def test_never_more_than_is_left_and_never_a_fraction(
    units: int, quantity: int, data: st.DataObject, currency: str, fee: int
) -> None:
    unit = currencies.unit(currency)
    captured = units * unit
    refunded = data.draw(st.integers(0, units)) * unit
    items = data.draw(st.lists(st.sampled_from((FRESH, INSTALLED, USED)), max_size=quantity))
    policy = RefundPolicy(fee=Decimal(fee))
    found = refundable(
        policy,
        paid(amount=captured, captured=captured, refunded=refunded, currency=currency),
        sold(items=items, quantity=quantity),
        NOW,
    )
    assert 0 <= found.amount <= captured - refunded
    assert found.amount == currencies.rounded(found.amount, currency)
    if found.amount < captured - refunded:
        assert found.reason is not None


def test_every_shortfall_has_a_message() -> None:
    assert set(MESSAGES) == set(Shortfall)


@pytest.mark.parametrize(
    ("limit", "refunded", "amount"),
    [("10", "0", "10"), ("9.99", "0", "0"), ("6", "4", "6"), ("0", "0", "0")],
)
def test_an_order_on_a_credited_statement_is_refunded_whole_or_not_at_all(
    limit: str, refunded: str, amount: str
) -> None:
    money = paid(refunded=Decimal(refunded))
    found = refundable(
        RefundPolicy(), money, sold(FRESH), NOW, limit=Limit(Decimal(limit), "It was credited")
    )
    assert found.amount == Decimal(amount)
    if not found.amount:
        assert (found.reason, found.until) == (Shortfall.CREDITED, None)
        assert found.message == "It was credited; ask the shop's support"
