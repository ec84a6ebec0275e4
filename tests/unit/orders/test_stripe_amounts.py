"""Minor units of Stripe."""

from decimal import Decimal

import pytest

from kit.errors import Failure
from services.orders.payments.stripe import amounts


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("0", "USD", 0),
        ("500", "JPY", 500),
        ("500", "MGA", 500),
        ("1.23", "KWD", 1230),
        ("300", "ISK", 30000),
        ("300", "UGX", 30000),
        ("200.00", "HUF", 20000),
        ("12", "EUR", 1200),
    ],
)
def test_amounts_in_minor_units_and_back(amount: str, currency: str, minor: int) -> None:
    assert amounts.to_minor(Decimal(amount), currency) == minor
    assert amounts.from_minor(minor, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.005", "EUR"),
        ("0.5", "JPY"),
        ("1.5", "ISK"),
        ("1.0001", "KWD"),
        ("1.234", "KWD"),
        ("-1", "EUR"),
    ],
)
def test_amounts_that_can_not_be_sent_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(Failure) as refused:
        amounts.to_minor(Decimal(amount), currency)
    assert refused.value.reason == "PAYMENT_AMOUNT_IMPOSSIBLE"


def test_each_currency_has_one_number_of_digits() -> None:
    assert not amounts.NO_DIGITS & amounts.THREE_DIGITS
    assert not amounts.WHOLE_UNITS & (amounts.NO_DIGITS | amounts.THREE_DIGITS)


def test_an_amount_at_the_minimum_is_enough() -> None:
    for currency, least in amounts.MINIMUMS.items():
        amounts.check_minimum(least, currency)
        amounts.to_minor(least, currency)
        with pytest.raises(Failure):
            amounts.check_minimum(least - amounts.from_minor(1, currency), currency)
    amounts.check_minimum(Decimal("0.01"), "XOF")
