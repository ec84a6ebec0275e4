"""What remains of a price, and the least price that leaves enough, recounted in fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values.margin import Terms

CENT = Decimal("0.01")


def shares(most: int) -> st.SearchStrategy[Decimal]:
    """Fractions in steps of a tenth of a percent."""
    return st.integers(0, most).map(lambda tenths: Decimal(tenths) / 1000)


TERMS = st.builds(
    Terms,
    tax=shares(300),
    includes_tax=st.booleans(),
    fee_share=shares(80),
    fee_amount=st.integers(0, 100).map(lambda cents: cents * CENT),
    rate=st.integers(1, 10**6).map(lambda number: Decimal(number) / 1000),
    buffer=shares(50),
)


def exact_margin(terms: Terms, price: Fraction, cost: Decimal) -> tuple[Fraction, Fraction]:
    """Return the margin and the net price, without using Terms' arithmetic."""
    tax = 1 + Fraction(terms.tax)
    net = price / tax if terms.includes_tax else price
    fee = Fraction(terms.fee_share) * net * tax + Fraction(terms.fee_amount)
    return net - fee - Fraction(cost) * Fraction(terms.rate) * (1 + Fraction(terms.buffer)), net


@given(
    terms=TERMS,
    cost=st.integers(0, 10**5).map(lambda mills: Decimal(mills) / 1000),
    amount=st.integers(0, 500).map(lambda cents: cents * CENT),
    share=shares(990),
)
def test_the_least_price_leaves_the_margin_and_any_lower_one_does_not(
    terms: Terms, cost: Decimal, amount: Decimal, share: Decimal
) -> None:
    least = terms.least_price(cost, amount=amount, share=share)
    if least is None:
        assert 1 - Fraction(terms.fee_share) * (1 + Fraction(terms.tax)) <= Fraction(share)
        return

    def enough(price: Fraction) -> bool:
        margin, net = exact_margin(terms, price, cost)
        return margin >= Fraction(amount) and margin >= Fraction(share) * net

    assert enough(Fraction(least))
    assert least == 0 or not enough(Fraction(least) - Fraction(1, 10**30))


def test_a_price_is_split_into_tax_fee_cost_and_margin() -> None:
    terms = Terms(
        tax=Decimal("0.2"), fee_share=Decimal("0.03"), fee_amount=Decimal("0.30"), rate=Decimal(2)
    )
    assert terms.net(Decimal(12)) == Decimal(10)
    assert terms.paid(Decimal(12)) == Decimal(12)
    assert terms.remaining(Decimal(12)) == Decimal("9.34")
    assert terms.margin(Decimal(12), Decimal(4)) == Decimal("1.34")
    assert terms.greatest_cost(Decimal(12), amount=Decimal("1.34")) == Decimal(4)


@pytest.mark.parametrize("share", ["0.97", "0.99"])
def test_no_price_is_enough_if_fee_and_margin_take_all_of_it(share: str) -> None:
    assert Terms(fee_share=Decimal("0.03")).least_price(Decimal(1), share=Decimal(share)) is None
