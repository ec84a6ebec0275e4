"""The parts of a failure that fit into the metadata of a gRPC response.

The message is sent twice: percent-encoded as `grpc-message`, and within the status, which is base64. Clients
with gRPC's defaults drop random responses with more than 8 KiB of metadata, and all with more than 16 KiB.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from kit.errors import OMITTED, Failure, joined

# Bytes of the encoded message and status. The other headers have the rest of 8 KiB.
ROOM = 7_680
# Bytes of the message in both encodings, and of the note about fields that are left out.
MESSAGE_ROOM = 2_560
NOTE_ROOM = 150
# Bytes in UTF-8: all details, one field's path, and its text.
DETAILS_ROOM = 2_048
PATH_ROOM = 256
TEXT_ROOM = 1_024
# Bytes of the names, types and lengths around the values: in a status, for one field, and for one detail.
STATUS_EXTRA = 300
FIELD_EXTRA = 12
DETAIL_EXTRA = 10
ELLIPSIS = "..."


def limited(failure: Failure) -> Failure:
    """Return the failure with a shorter message, fewer fields and fewer details if it is too large.

    Details that start with `provider_` are left out: the provider's own text is for logs, not for callers.
    """
    details = _details(failure.details)
    message = _message(failure)
    taken = STATUS_EXTRA + _utf8(failure.reason)
    taken += sum(_utf8(name) + _utf8(value) + DETAIL_EXTRA for name, value in details.items())
    room = ROOM - _twice(message) - (NOTE_ROOM if failure.fields else 0) - _base64(taken)
    fields = _fields(failure.fields, room)
    left_out = len(failure.fields) - len(fields)
    if left_out:
        details[OMITTED] = str(left_out + failure.omitted)
        if message == _shortened(failure.message):
            message += f" (the details of {left_out} invalid fields are left out)"
    return replace(failure, message=message, fields=fields, details=details)


def _details(given: Mapping[str, str]) -> dict[str, str]:
    """Return the details that fit, whole: programs can't tell a shortened value from a whole one."""
    found: dict[str, str] = {}
    room = DETAILS_ROOM
    for name, value in given.items():
        size = _utf8(name) + _utf8(value) + DETAIL_EXTRA
        if size <= room and not name.startswith("provider_"):
            found[_text(name)] = _text(value)
            room -= size
    return found


def _message(failure: Failure) -> str:
    """Return the message, shortened if it is too long; one that joins the fields ends with a whole field."""
    message = _shortened(failure.message)
    if len(failure.fields) < 2 or not message.endswith(ELLIPSIS):
        return message
    if failure.message != joined(failure.fields, failure.omitted):
        return message
    named: dict[str, str] = {}
    room: float = MESSAGE_ROOM
    for path, text in failure.fields.items():
        size = _twice(f"{path}: {text}; ")
        if size > room:
            break
        room -= size
        named[_text(path)] = _text(text)
    if not named:
        return message
    return joined(named, len(failure.fields) - len(named) + failure.omitted)


def _shortened(message: str) -> str:
    return _cut(message, MESSAGE_ROOM, _twice)


def _fields(given: Mapping[str, str], room: float) -> dict[str, str]:
    """Return the first fields that fit."""
    found: dict[str, str] = {}
    for path, text in given.items():
        short, problem = _cut(path, PATH_ROOM, _utf8), _cut(text, TEXT_ROOM, _utf8)
        room -= _base64(_utf8(short) + _utf8(problem) + FIELD_EXTRA)
        if room < 0:
            break
        found[short] = problem
    return found


def _cut(text: str, room: int, size: Callable[[str], float]) -> str:
    """Return the text, or if it is too large, the start of it and an ellipsis."""
    start = _text(text[: room + 1])  # each character has a size of at least 1
    if len(text) <= room and size(start) <= room:
        return start
    left = room - size(ELLIPSIS)
    for position, character in enumerate(start):
        left -= size(character)
        if left < 0:
            return start[:position].rstrip() + ELLIPSIS
    return start + ELLIPSIS


def _text(text: str) -> str:
    """Return the text with a question mark for each surrogate, which UTF-8 can't encode."""
    return text.encode("utf-8", "replace").decode()


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _base64(size: int) -> float:
    return size * 4 / 3


def _twice(message: str) -> float:
    """Return the size of a message that is sent percent-encoded and in base64."""
    encoded = message.encode("utf-8", "replace")
    plain = sum(0x20 <= byte <= 0x7E and byte != 0x25 for byte in encoded)
    return plain + 3 * (len(encoded) - plain) + _base64(len(encoded))
