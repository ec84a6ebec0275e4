"""Currencies that are or were in use, and the number of decimal places of their amounts, by CLDR."""

from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_precision


def is_known(code: str) -> bool:
    """Return True for an ISO 4217 code, in upper case, that is legal tender somewhere today."""
    return code in _tender(ended=False)


def was_known(code: str) -> bool:
    """Return True also for one that isn't legal tender any more: what was sold in it keeps its currency."""
    return code in _tender(ended=True)


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
def _tender(*, ended: bool) -> frozenset[str]:
    return frozenset(
        code
        for currencies in get_global("territory_currencies").values()
        for code, _since, until, tender in currencies
        if tender and (ended or until is None)
    )
