"""Which currencies are known, and how their amounts are rounded."""

from decimal import Decimal

import pytest

from kit.values import currencies


@pytest.mark.parametrize("code", ["USD", "EUR", "GBP", "JPY", "KWD", "CHF", "BRL"])
def test_currencies_in_use_are_known(code: str) -> None:
    assert currencies.is_known(code)


@pytest.mark.parametrize("code", ["", "usd", "DEM", "XXX", "XAU", "ABC", "US", "EURO"])
def test_old_currencies_metals_and_anything_else_are_unknown(code: str) -> None:
    assert not currencies.is_known(code)


@pytest.mark.parametrize("code", ["USD", "JPY", "DEM", "HRK"])
def test_a_currency_that_ended_was_known(code: str) -> None:
    assert currencies.was_known(code)


@pytest.mark.parametrize("code", ["", "usd", "XXX", "XAU", "ABC", "US", "EURO"])
def test_what_was_never_a_currency_was_not_known(code: str) -> None:
    assert not currencies.was_known(code)


@pytest.mark.parametrize(
    ("code", "digits", "unit", "amount", "rounded"),
    [
        ("USD", 2, "0.01", "2.345", "2.35"),
        ("EUR", 2, "0.01", "2.3449", "2.34"),
        ("JPY", 0, "1", "1234.5", "1235"),
        ("KWD", 3, "0.001", "1.2345", "1.235"),
    ],
)
def test_amounts_are_rounded_half_up_to_the_digits_of_the_currency(
    code: str, digits: int, unit: str, amount: str, rounded: str
) -> None:
    assert currencies.digits(code) == digits
    assert str(currencies.unit(code)) == unit
    assert str(currencies.rounded(Decimal(amount), code)) == rounded
