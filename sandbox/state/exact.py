"""Money as JSON numbers with exactly its digits."""

from decimal import Decimal


def exact(value: object) -> int | float:
    """Return the number whose JSON text is that of the decimal, for `json.dumps(default=exact)`.

    A float's shortest text is exact up to 15 digits, and no amount here
    has more.
    """
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def amount_text(value: Decimal) -> str:
    """Format an amount without exponent and trailing zeros: 494.92, 1000."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
