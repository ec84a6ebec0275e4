"""JSON whose numbers stay exact: Decimal for fractions, int of any size for whole numbers."""

import json
from collections.abc import Mapping
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
    match value:
        case Decimal():
            if not value.is_finite():
                raise ValueError("NaN and Infinity have no form in JSON")
            return str(value)
        case Mapping():
            return "{" + ",".join(f"{_key(k)}:{dumps(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dumps, value)) + "]"
        case _:
            return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a JSON key must be text, not {type(key).__name__}")
    return json.dumps(key, ensure_ascii=False)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
