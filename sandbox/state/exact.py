"""Money as JSON numbers, written with exactly the digits it has."""

from decimal import Decimal


def exact(value: object) -> int | float:
    """For `json.dumps(default=exact)`: the number whose JSON text is the decimal's own.

    A float's shortest text is the decimal it was made from up to 15 digits, and no amount here
    has more.
    """
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def amount_text(value: Decimal) -> str:
    """The amount as text without an exponent or needless zeros: 494.92, 1000."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
