"""Output of operators' commands: tables for people, or one JSON document for programs."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from kit.values import money, timestamps
from protos.common.v1.money_pb2 import Money

# Control characters besides line breaks and tabs, and characters that reverse the text after them.
ACTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> list[str]:
    """Return lines with aligned columns under their titles; `empty` alone if there is no row."""
    found = [tuple(row) for row in rows]
    if not found:
        return [empty]
    widths = [max(map(len, column)) for column in zip(titles, *found, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (tuple(titles), *found)
    ]


def document(content: Any) -> list[str]:
    """Return the JSON text of a message, of a list of messages, or of any JSON value."""
    return [escaped(json.dumps(_plain(content), indent=2, ensure_ascii=False))]


def escaped(text: str) -> str:
    """Escape, as JSON does, the characters of a text that a terminal would execute instead of printing."""
    return ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def amount(value: Any) -> str:
    """Format money, such as "2.28 USD"."""
    return f"{money.text(value)} {value.currency_code}".rstrip()


def moment(message: Any, field: str) -> str:
    """Format a time of a message in UTC, to the second; empty if the field is not set."""
    if not message.HasField(field):
        return ""
    at = timestamps.from_proto(getattr(message, field))
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(content: Any) -> Any:
    if isinstance(content, Message):
        return _message(content)
    if isinstance(content, dict):
        return {name: _plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(one) for one in content]
    return content


def _message(message: Message) -> Any:
    """Return a message as a dict by field names, which are stable; absent fields are None."""
    if isinstance(message, Money):
        return {"amount": money.text(message), "currency": message.currency_code}
    if isinstance(message, Timestamp):
        return timestamps.to_text(timestamps.from_proto(message))
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.enum_type is not None:
        numbers = value if field.is_repeated else [value]
        names = [_name(field.enum_type, number) for number in numbers]
        return names if field.is_repeated else names[0]
    return [_plain(one) for one in value] if field.is_repeated else _plain(value)


def _name(kind: Any, number: int) -> str | None:
    """Return an enum value's name without the common prefix; None for the unspecified value."""
    if number == 0:
        return None
    known = kind.values_by_number.get(number)
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(number) if known is None else known.name.removeprefix(prefix)
