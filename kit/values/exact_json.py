"""JSON with exact numbers: Decimal for fractions, int of any size for integers."""

import json
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

# Digits of the longest integer that Python converts; longer ones would take quadratic time.
MAX_DIGITS = 4300
# Replaces a number whose exponent exceeds that of a Decimal. It fails every range check.
LARGEST = Decimal("1E+999999999999999999")


def loads(text: str | bytes, *, lenient: bool = False) -> Any:
    """Parse JSON; raises ValueError for anything else, including NaN and Infinity.

    Numbers keep all their digits. An integer of more than 4,300 digits becomes a Decimal, and a number
    whose exponent exceeds that of a Decimal becomes LARGEST. `lenient` reads NaN and Infinity as null.
    """
    constant = _null if lenient else _no_constant
    try:
        try:
            return json.loads(text, parse_float=_fraction, parse_constant=constant)
        except json.JSONDecodeError:
            raise
        except ValueError:  # int() refused a number with too many digits, or NaN is refused
            return json.loads(
                text, parse_float=_fraction, parse_int=_whole, parse_constant=constant
            )
    except RecursionError:  # of either attempt
        raise ValueError("JSON nested too deeply") from None


def dumps(value: Any) -> str:
    """Format JSON in one line, in which a Decimal is a number with all its digits.

    Raises TypeError for other types, and ValueError for NaN and Infinity. A Decimal without a fraction
    is read back as an int.
    """
    # The standard encoder can't write Decimals as numbers, and a Python encoder takes nine times as long
    # on a catalogue. So each Decimal is written as text with a random mark, whose quotes are removed later.
    mark = secrets.token_hex(8)

    def marked(value: object) -> str:
        if not isinstance(value, Decimal):
            raise TypeError(f"JSON has no form for {type(value).__name__}")
        if not value.is_finite():
            raise ValueError("JSON has no form for NaN and Infinity")
        return f"{mark}{value}"

    text = json.dumps(
        value, default=marked, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )
    return re.sub(f'"{mark}([^"]*)"', r"\1", text)


def _fraction(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # the exponent is too large or too small
        if "e-" in digits.lower():
            return Decimal(0)
        return LARGEST.copy_negate() if digits.startswith("-") else LARGEST


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_DIGITS else Decimal(digits)


def _null(_name: str) -> None:
    return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
