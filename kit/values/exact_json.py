"""JSON whose numbers stay exact: Decimal for fractions, int of any size for whole numbers."""

import json
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

# Digits of a whole number that Python converts to int at most; longer ones cost quadratic time.
MAX_DIGITS = 4300
# Stands for a number whose exponent no Decimal can hold: it is beyond every limit that is checked.
LARGEST = Decimal("1E+999999999999999999")


def loads(text: str | bytes, *, lenient: bool = False) -> Any:
    """Reads JSON; raises ValueError for anything else, NaN and Infinity included.

    A 19-digit number stays that number: libraries that read it as a float lose its last digits.
    A number of absurd size does not make the rest unreadable: one of more than 4,300 digits is a
    Decimal, and one whose exponent no Decimal can hold is LARGEST. `lenient` reads NaN and
    Infinity as null.
    """
    constant = _null if lenient else _no_constant
    try:
        return json.loads(text, parse_float=_fraction, parse_constant=constant)
    except json.JSONDecodeError:
        raise
    except ValueError:  # int() refused a number with too many digits, or NaN is refused
        return json.loads(text, parse_float=_fraction, parse_int=_whole, parse_constant=constant)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def dumps(value: Any) -> str:
    """Writes JSON in one line; a Decimal becomes a number with its digits as they are.

    Raises TypeError for a type that JSON has no form for and ValueError for NaN and Infinity.
    A whole Decimal is written without a point and so reads back as an equal int.
    """
    # The standard encoder writes only floats and ints as numbers, and an encoder in Python takes
    # nine times as long on a catalogue. So each Decimal is first written as text under a mark
    # that no text can hold by chance or intent, and then stripped of its quotes.
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
    except InvalidOperation:  # the exponent is beyond what a Decimal can hold
        if "e-" in digits.lower():
            return Decimal(0)
        return LARGEST.copy_negate() if digits.startswith("-") else LARGEST


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_DIGITS else Decimal(digits)


def _null(_name: str) -> None:
    return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
