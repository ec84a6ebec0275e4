"""Conversion of amounts of data in the provider's JSON to bytes, with decimal units."""

import re
from decimal import ROUND_HALF_UP, Decimal

# A petabyte. No bundle includes as much: a larger number stands for "unlimited" or is a mistake, and sums of
# such numbers would not fit any column.
MAX_BYTES = 10**15
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
    """True for a unit of data. A missing unit means bytes; minutes and messages are not data."""
    return _factor(unit) is not None


def in_bytes(value: object, unit: object = None) -> int | None:
    """Convert an amount, given as a number or as text, to bytes.

    Returns None for an unknown unit, and for a negative, too large, or fractional number of bytes.
    """
    factor = _factor(unit)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if factor is None or isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    # Check the range before any arithmetic, because a number may have any number of digits, or be NaN.
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
