"""Amounts of data in the provider's JSON, as whole bytes, base 10; None where the amount is unknown."""

import re
from decimal import ROUND_HALF_UP, Decimal

# What a bigint column holds; more is no data plan.
MAX_BYTES = 2**63 - 1
UNITS = {
    "": 1,
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **dict.fromkeys(("kb", "kilobyte", "kilobytes"), 10**3),
    **dict.fromkeys(("mb", "megabyte", "megabytes"), 10**6),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), 10**9),
    **dict.fromkeys(("tb", "terabyte", "terabytes"), 10**12),
}
NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)


def is_data_unit(unit: object) -> bool:
    """True if the unit counts data. An absent unit means bytes; minutes and messages are no data."""
    return _factor(unit) is not None


def in_bytes(value: object, unit: object = None) -> int | None:
    """The amount, a number or a number written as text, in a unit of data.

    None for an unknown unit, and for what is negative, too large, or a part of a byte.
    """
    factor = _factor(unit)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if factor is None or isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    # Compared before any arithmetic: a number may have any count of digits, or be no number at all.
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    if not 0 <= value <= MAX_BYTES:
        return None
    if factor == 1 and value != int(value):
        return None
    count = int((Decimal(value) * factor).to_integral_value(ROUND_HALF_UP))
    return count if count <= MAX_BYTES else None


def _factor(unit: object) -> int | None:
    if unit is None:
        return 1
    return UNITS.get(unit.strip().lower()) if isinstance(unit, str) else None
