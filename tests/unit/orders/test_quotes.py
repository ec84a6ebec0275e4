"""What orders charge, and up to which cost they are sold."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values import currencies
from kit.values.margin import Terms
from services.orders.plan import Listing, Plan
from services.orders.purchase import quotes
from services.orders.purchase.totals import Totals, totals

D = Decimal
INCLUSIVE = Terms(tax=D("0.19"))
EXCLUSIVE = Terms(tax=D("0.19"), includes_tax=False)
NO_TAX = Terms(includes_tax=False)


@pytest.mark.parametrize(
    ("price", "quantity", "currency", "terms", "discount", "expected"),
    [
        ("5.99", 2, "EUR", NO_TAX, "0", ("11.98", "0", "0", "11.98")),
        ("5.99", 2, "EUR", INCLUSIVE, "0", ("11.98", "0", "1.91", "11.98")),
        ("5.99", 2, "EUR", EXCLUSIVE, "0", ("11.98", "0", "2.28", "14.26")),
        ("5.99", 2, "EUR", INCLUSIVE, "1.20", ("11.98", "1.20", "1.72", "10.78")),
        ("5.99", 2, "EUR", EXCLUSIVE, "1.20", ("11.98", "1.20", "2.05", "12.83")),
        ("450", 3, "JPY", EXCLUSIVE, "0", ("1350", "0", "257", "1607")),
        ("450", 3, "JPY", INCLUSIVE, "0", ("1350", "0", "216", "1350")),
        ("1.235", 3, "KWD", EXCLUSIVE, "0", ("3.705", "0", "0.704", "4.409")),
        # Without tax nothing is rounded: a price at cost may have more digits.
        ("0.505", 3, "USD", NO_TAX, "0", ("1.515", "0", "0", "1.515")),
        ("5", 1, "EUR", INCLUSIVE, "5", ("5", "5", "0", "0")),
    ],
)
def test_totals(
    price: str,
    quantity: int,
    currency: str,
    terms: Terms,
    discount: str,
    expected: tuple[str, ...],
) -> None:
    found = totals(D(price), quantity, currency, terms, discount=D(discount))
    assert found == Totals(*map(D, expected))


@pytest.mark.parametrize("discount", ["-0.01", "10.01"])
def test_a_discount_is_at_most_the_subtotal(discount: str) -> None:
    with pytest.raises(ValueError, match="discount"):
        totals(D(5), 2, "EUR", INCLUSIVE, discount=D(discount))


def _amounts(currency: str) -> "st.SearchStrategy[Decimal]":
    return st.integers(1, 10**7).map(lambda units: units * currencies.unit(currency))


@st.composite
def _orders(draw: st.DrawFn) -> tuple[Decimal, int, str, Terms, Decimal]:
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    price, quantity = draw(_amounts(currency)), draw(st.integers(1, 10))
    terms = Terms(
        tax=D(draw(st.integers(0, 300))) / 1000,
        includes_tax=draw(st.booleans()),
        fee_share=D(draw(st.integers(0, 100))) / 1000,
        fee_amount=D(draw(st.integers(0, 50))) / 100,
        rate=D(draw(st.integers(1, 200_000))) / 1000,
        buffer=D(draw(st.integers(0, 100))) / 1000,
    )
    units = int(price * quantity / currencies.unit(currency))
    return price, quantity, currency, terms, draw(st.integers(0, units)) * currencies.unit(currency)


@given(_orders())
def test_totals_add_up_and_have_the_digits_of_the_currency(
    order: tuple[Decimal, int, str, Terms, Decimal],
) -> None:
    price, quantity, currency, terms, discount = order
    found = totals(price, quantity, currency, terms, discount=discount)
    net = found.total - found.tax
    rest = price * quantity - discount
    assert (found.total if terms.includes_tax else net) == rest
    assert abs(net * terms.tax - found.tax) <= currencies.unit(currency)
    for amount in (found.subtotal, found.discount, found.tax, found.total):
        assert amount == currencies.rounded(amount, currency) >= 0


@given(_orders(), st.integers(1, 10**6), st.integers(0, 500))
def test_every_cost_up_to_the_greatest_leaves_the_margin_to_absorb(
    order: tuple[Decimal, int, str, Terms, Decimal], mills: int, absorb: int
) -> None:
    price, quantity, currency, terms, discount = order
    listing = Listing("list", 1, terms, D(absorb) / 100, None)
    cost = D(mills) / 1000
    plan = Plan("b", price, currency, cost, "USD", listing=listing)
    quote = quotes.quote(plan, quantity, discount)
    each = (quote.totals.subtotal - discount) / quantity
    assert quote.max_unit_cost is not None
    assert quote.max_unit_cost >= cost
    if quote.max_unit_cost > cost:
        assert terms.margin(each, quote.max_unit_cost) >= listing.absorb - D("1e-12")
    assert quotes.within_cost(quote.max_unit_cost, quantity, cost * quantity)
    assert not quotes.within_cost(
        quote.max_unit_cost, quantity, quote.max_unit_cost * quantity + D("0.001")
    )


@pytest.mark.parametrize(
    ("total", "currency", "payable"),
    [
        ("1.2301", "USD", "1.24"),
        ("120.5", "JPY", "121"),
        ("1.234", "KWD", "1.24"),
        ("1.230", "KWD", "1.23"),
        ("1.234", "LYD", "1.24"),
    ],
)
def test_a_total_is_rounded_up_to_what_can_be_paid(total: str, currency: str, payable: str) -> None:
    exact = Decimal(total)
    sums = Totals(exact, Decimal(0), Decimal(0), exact)
    known = quotes.Quote(exact, currency, sums, exact, None, None)
    assert quotes.payable(known).total == Decimal(payable)


def test_a_confirmed_cost_changes_the_price_only_without_a_price_list() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    plan = Plan("b", D("1.37"), "USD", D("1.37"), "USD")
    sold_at_cost = quotes.confirmed(quotes.quote(plan, 2), D("2.80"), 2, at)
    assert (sold_at_cost.each, sold_at_cost.total, sold_at_cost.cost) == (
        D("1.40"),
        D("2.80"),
        D("2.80"),
    )
    listed = replace(plan, price=D("5.99"), listing=Listing("usd", 1, INCLUSIVE, D(0), None))
    quote = quotes.confirmed(quotes.quote(listed, 2), D("2.80"), 2, at)
    assert (quote.each, quote.total, quote.cost) == (D("5.99"), D("11.98"), D("2.80"))
    assert quote.confirmed_at == at
