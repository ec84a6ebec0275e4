"""Currencies that are in use, and the number of decimal places of their amounts, by CLDR."""

from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_precision


def is_known(code: str) -> bool:
    """Return True for an ISO 4217 code, in upper case, that is legal tender somewhere today."""
    return code in _in_use()


def digits(code: str) -> int:
    """Return the decimal places of amounts: 2 for USD, 0 for JPY, 3 for KWD."""
    return int(get_currency_precision(code))


@cache
def unit(code: str) -> Decimal:
    """Return the smallest amount, such as 0.01 for USD and 1 for JPY."""
    return Decimal(1).scaleb(-digits(code))


def rounded(amount: Decimal, code: str) -> Decimal:
    """Round an amount half up to the decimal places of its currency."""
    return amount.quantize(unit(code), ROUND_HALF_UP)


@cache
def _in_use() -> frozenset[str]:
    return frozenset(
        code
        for currencies in get_global("territory_currencies").values()
        for code, _since, until, tender in currencies
        if until is None and tender
    )
