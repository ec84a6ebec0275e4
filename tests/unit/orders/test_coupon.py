"""Coupons: which orders they apply to, and that a discount never exceeds what the shop allowed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Failure
from kit.values import currencies
from kit.values.margin import Terms
from services.orders.coupons.coupon import (
    MESSAGE_BELOW_LEAST_PRICE,
    MESSAGE_NOT_THIS_ORDER,
    Coupon,
    Rules,
    Sale,
    discount_of,
    is_valid,
    keeps_floor,
    normalized,
    reduction,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PLAN = UUID("00000000-0000-4000-8000-000000000001")
CURRENCIES = st.sampled_from(("EUR", "JPY", "KWD"))


def coupon_of(**rules: Any) -> Coupon:
    fields: dict[str, Any] = {"code": "SPRING", "percent": Decimal(10)} | rules
    return Coupon(
        id=UUID(int=7),
        rules=Rules(**fields),
        disabled=False,
        used=0,
        reserved=0,
        spent=Decimal(0),
        reserved_amount=Decimal(0),
        created_at=NOW,
        created_by="service",
    )


def sale_of(**changes: Any) -> Sale:
    usual = Sale(
        plan_id=PLAN,
        bundle_name="esim_1GB_7D_FR_V2",
        group="Standard Fixed",
        countries=frozenset({"FR"}),
        quantity=2,
        price=Decimal("10.00"),
        currency="EUR",
        terms=Terms(),
        cost=Decimal("4.00"),
        least_price=Decimal("5.00"),
    )
    return replace(usual, **changes)


def reason(coupon: Coupon | None, sale: Sale, now: datetime = NOW) -> str:
    with pytest.raises(Failure) as raised:
        discount_of(coupon, sale, now)
    return raised.value.reason


def digits(scale: int, largest: int = 10**6) -> st.SearchStrategy[Decimal]:
    return st.integers(0, largest).map(lambda n: Decimal(n).scaleb(-scale))


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    currency = draw(CURRENCIES)
    terms = Terms(
        tax=draw(digits(2, 30)),
        includes_tax=draw(st.booleans()),
        fee_share=draw(digits(3, 50)),
        fee_amount=draw(digits(2, 50)),
        rate=draw(st.sampled_from((Decimal(1), Decimal("0.91"), Decimal("157.3")))),
        buffer=draw(digits(2, 5)),
    )
    cost = draw(digits(2, 10_000))
    return sale_of(
        currency=currency,
        quantity=draw(st.integers(1, 10)),
        price=draw(digits(currencies.digits(currency))),
        terms=terms,
        cost=cost,
        least_price=terms.least_price(cost, amount=draw(digits(2, 300))),
    )


@st.composite
def coupons(draw: st.DrawFn) -> Coupon:
    currency = draw(CURRENCIES)
    scale = currencies.digits(currency)
    if draw(st.booleans()):
        kind: dict[str, Any] = {"percent": draw(digits(2, 9_999)) + Decimal("0.01")}
    else:
        kind = {"percent": None, "amount": draw(digits(scale)) + Decimal(1).scaleb(-scale)}
    max_loss = draw(st.none() | digits(scale, 10_000))
    needs_currency = kind.get("amount") is not None or max_loss is not None
    return coupon_of(**kind, max_loss=max_loss, currency=currency if needs_currency else None)


@given(coupons(), sales())
def test_a_discount_is_within_the_subtotal_has_the_currencys_digits_and_keeps_the_floor(
    coupon: Coupon, sale: Sale
) -> None:
    try:
        discount = discount_of(coupon, sale, NOW)
    except Failure:
        return
    assert 0 <= discount <= sale.subtotal
    assert discount == round(discount, currencies.digits(sale.currency))
    rest = sale.subtotal - discount
    least = None if sale.least_price is None else sale.least_price * sale.quantity
    if least is None or rest < least:
        assert coupon.rules.max_loss is not None
        loss = -sale.terms.margin(rest, sale.cost * sale.quantity)
        assert loss <= coupon.rules.max_loss


@given(sales(), st.integers(1, 10_000))
def test_a_percentage_is_rounded_once_and_half_up(sale: Sale, hundredths: int) -> None:
    percent = Decimal(hundredths).scaleb(-2)
    found = reduction(Rules("X", percent=percent), sale.subtotal, sale.currency)
    exact = sale.subtotal * percent / 100
    half = Decimal("0.5").scaleb(-currencies.digits(sale.currency))
    assert -half < found - exact <= half


@pytest.mark.parametrize(
    ("subtotal", "currency", "percent", "expected"),
    [
        ("10.50", "EUR", "15", "1.58"),  # 1.575
        ("0.10", "EUR", "5", "0.01"),  # 0.005
        ("333", "JPY", "50", "167"),  # 166.5
        ("1.001", "KWD", "50", "0.501"),  # 0.5005
        ("9.99", "EUR", "100", "9.99"),
    ],
)
def test_percentages_are_rounded_to_the_digits_of_the_currency(
    subtotal: str, currency: str, percent: str, expected: str
) -> None:
    rules = Rules("X", percent=Decimal(percent))
    assert reduction(rules, Decimal(subtotal), currency) == Decimal(expected)


def test_an_amount_takes_off_no_more_than_the_subtotal() -> None:
    rules = Rules("X", amount=Decimal(50), currency="EUR")
    assert reduction(rules, Decimal(20), "EUR") == 20


def test_unknown_disabled_expired_early_and_used_up_codes_get_the_same_refusal() -> None:
    hour = timedelta(hours=1)
    full = replace(coupon_of(max_uses=3), used=2, reserved=1)
    spent = replace(
        coupon_of(budget=Decimal(5), currency="EUR"),
        spent=Decimal(2),
        reserved_amount=Decimal("1.01"),
    )
    found = []
    for coupon in (
        None,
        replace(coupon_of(), disabled=True),
        coupon_of(ends_at=NOW),
        coupon_of(starts_at=NOW + hour),
        full,
        spent,
    ):
        with pytest.raises(Failure) as raised:
            discount_of(coupon, sale_of(), NOW)
        found.append((raised.value.kind, raised.value.reason, raised.value.message))
    assert len(set(found)) == 1
    assert found[0][1] == "COUPON_NOT_VALID"
    # The last use, the first and the last moment of the window, and the exact rest of the budget are valid.
    assert discount_of(replace(full, reserved=0), sale_of(), NOW) == 2
    assert discount_of(coupon_of(starts_at=NOW, ends_at=NOW + hour), sale_of(), NOW) == 2
    assert discount_of(replace(spent, reserved_amount=Decimal(1)), sale_of(), NOW) == 2


def test_every_condition_on_the_plan_must_be_met() -> None:
    sale = sale_of(countries=frozenset({"FR", "DE"}))
    for rules in (
        {"plans": frozenset({"esim_other"})},
        {"groups": frozenset({"Standard Unlimited"})},
        {"countries": frozenset({"FR"})},  # the plan covers more
        {"plans": frozenset({str(PLAN)}), "groups": frozenset({"Other"})},
    ):
        assert reason(coupon_of(**rules), sale) == "COUPON_NOT_APPLICABLE"
    for rules in (
        {"plans": frozenset({str(PLAN), "esim_other"})},
        {"plans": frozenset({"esim_1GB_7D_FR_V2"})},
        {"groups": frozenset({"Standard Fixed"})},
        {"countries": frozenset({"FR", "DE", "ES"})},
    ):
        assert discount_of(coupon_of(**rules), sale, NOW) == 2
    # A plan without known countries is not one that covers nothing but these.
    unknown = sale_of(countries=frozenset())
    assert reason(coupon_of(countries=frozenset({"FR"})), unknown) == "COUPON_NOT_APPLICABLE"


def test_the_minimum_and_the_currency_decide() -> None:
    coupon = coupon_of(minimum=Decimal(20), currency="EUR")
    assert discount_of(coupon, sale_of(), NOW) == 2
    assert reason(coupon, sale_of(quantity=1)) == "COUPON_NOT_APPLICABLE"
    assert reason(coupon, sale_of(currency="USD")) == "COUPON_NOT_APPLICABLE"
    spent = replace(coupon_of(budget=Decimal(5), currency="EUR"), spent=Decimal(5))
    assert not is_valid(spent, sale_of(currency="USD"), NOW)


def test_the_price_stays_at_the_least_price_unless_the_coupon_allows_a_loss() -> None:
    # Least price of the order 10.00, cost 8.00.
    for percent, applies in (("50", True), ("50.05", False)):
        coupon = coupon_of(percent=Decimal(percent))
        assert (
            keeps_floor(coupon.rules, sale_of(), reduction(coupon.rules, Decimal(20), "EUR"))
            is applies
        )
    for max_loss, percent, applies in (
        ("0", "60", True),  # 8.00 remain, as the cost
        ("0", "61", False),
        ("1", "65", True),  # 7.00 remain
        ("1", "66", False),
    ):
        coupon = coupon_of(percent=Decimal(percent), max_loss=Decimal(max_loss), currency="EUR")
        discount = reduction(coupon.rules, Decimal(20), "EUR")
        assert keeps_floor(coupon.rules, sale_of(), discount) is applies


def test_customers_cannot_tell_the_least_price_from_a_plan_that_is_excluded() -> None:
    below, excluded = coupon_of(percent=Decimal(90)), coupon_of(plans=frozenset({"esim_other"}))
    messages = set()
    for coupon in (below, excluded):
        with pytest.raises(Failure) as raised:
            discount_of(coupon, sale_of(), NOW)
        messages.add(raised.value.message)
    assert messages == {MESSAGE_NOT_THIS_ORDER}
    with pytest.raises(Failure) as raised:
        discount_of(below, sale_of(), NOW, staff=True)
    assert raised.value.message == MESSAGE_BELOW_LEAST_PRICE


def test_codes_are_case_insensitive() -> None:
    assert normalized(" spring-26 ") == "SPRING-26"
    # Letters that become others in upper case can't make two codes equal.
    assert normalized("straße") == "straße"
