"""Opaque tokens for keyset pagination, each bound to its list and request."""

import base64
import hashlib
import json
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from kit.errors import invalid
from kit.values import timestamps

AnyMessage = TypeVar("AnyMessage", bound=Message)

# Long enough to distinguish requests; a token is not a security feature.
DIGEST_LENGTH = 12
# Of numbers that PostgreSQL stores as bigint.
MAX_DIGITS = 18


def without(request: AnyMessage, *fields: str) -> AnyMessage:
    """Return a copy of a request without the fields that do not change its list."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field in fields:
        copy.ClearField(field)
    return copy


def write(request: Message, key: list[str]) -> str:
    """Create a token from the last row's sort key (as text) and the request without its paging fields."""
    body = json.dumps([_digest(request), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read(request: Message, token: str, length: int) -> list[str] | None:
    """Return the sort key, of `length` parts, that `write` was given; None for the first page.

    Raises Failure(INVALID) if the token is malformed, or belongs to another list, filter or order.
    """
    if not token:
        return None
    try:
        digest, key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, RecursionError):
        digest, key = None, None
    if digest != _digest(request) or not _is_key(key, length):
        raise invalid(
            {
                "page_token": "does not belong to this request; send next_page_token with the same filter"
            },
            reason="INVALID_PAGE_TOKEN",
        )
    return list(key)


def write_position(request: Message, at: datetime, id_: UUID) -> str:
    """Create a token for a list ordered by a time and an id."""
    return write(request, [at.isoformat(), str(id_)])


def read_position(request: Message, token: str) -> tuple[datetime, UUID] | None:
    """Return the time and id that `write_position` was given; raises Failure as `read` does."""
    key = read(request, token, 2)
    if key is None:
        return None
    try:
        return timestamps.from_iso(key[0]), UUID(key[1])
    except ValueError:
        raise invalid(
            {"page_token": "is malformed; send next_page_token exactly as it was returned"},
            reason="INVALID_PAGE_TOKEN",
        ) from None


def write_number(request: Message, number: int) -> str:
    """Create a token for a list ordered by a number."""
    return write(request, [str(number)])


def read_number(request: Message, token: str) -> int | None:
    """Return the number that `write_number` was given; raises Failure as `read` does."""
    key = read(request, token, 1)
    if key is None:
        return None
    digits = key[0]
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise invalid(
            {"page_token": "is malformed; send next_page_token exactly as it was returned"},
            reason="INVALID_PAGE_TOKEN",
        )
    return int(digits)


def _is_key(key: Any, length: int) -> bool:
    return isinstance(key, list) and len(key) == length and all(map(_is_text, key))


def _is_text(part: Any) -> bool:
    """Return whether PostgreSQL can compare it with text."""
    if not isinstance(part, str) or "\0" in part:
        return False
    try:
        part.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _digest(request: Message) -> str:
    bare = without(request, "page_token", "page_size")
    # Requests of two lists may have the same bytes.
    listed = bare.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)
    return hashlib.sha256(listed).hexdigest()[:DIGEST_LENGTH]
