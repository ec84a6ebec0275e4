"""Encodes rows as JSON and decodes them, by the types of their fields."""

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(row: object) -> str:
    """Return a JSON object with every field of the dataclass `row`."""
    return json.dumps(_plain(row), default=_plain)


def decode(row_type: type[T], text: str) -> T:
    """Return the row that was encoded; fields missing in `text` keep their defaults."""
    row: T = _built(row_type, json.loads(text))
    return row


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    raise TypeError(f"a row can't contain {type(value).__name__}")


@cache
def _hints(row_type: Any) -> Mapping[str, Any]:
    return get_type_hints(row_type)


def _built(row_type: Any, members: Mapping[str, Any]) -> Any:
    hints = _hints(row_type)
    known = {item.name for item in fields(row_type)}
    return row_type(
        **{name: _value(hints[name], value) for name, value in members.items() if name in known}
    )


def _value(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _value(next(part for part in get_args(kind) if part is not type(None)), value)
    if origin is tuple:
        return tuple(_value(get_args(kind)[0], item) for item in value)
    if kind is Decimal:
        return Decimal(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if is_dataclass(kind):
        return _built(kind, value)
    return value
