"""Opaque page tokens for keyset paging: where the last page ended, bound to its list and request."""

import base64
import hashlib
import json
from typing import Any

from google.protobuf.message import Message

from kit.errors import invalid

# Enough to tell requests apart; a token is no secret and no proof.
DIGEST_LENGTH = 12


def write(request: Message, key: list[str]) -> str:
    """Names the last row's sort key (as text) for the request without its paging fields."""
    body = json.dumps([_digest(request), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read(request: Message, token: str, length: int) -> list[str] | None:
    """The sort key of `length` parts that `write` was given, or None for the first page.

    Raises Failure(INVALID) when the token is malformed, of another list, or of a request with another
    filter or order.
    """
    if not token:
        return None
    try:
        digest, key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, RecursionError):
        digest, key = None, None
    if digest != _digest(request) or not _is_key(key, length):
        raise invalid(
            {"page_token": "is not of this request; send next_page_token with the same filter"},
            reason="INVALID_PAGE_TOKEN",
        )
    return list(key)


def _is_key(key: Any, length: int) -> bool:
    return isinstance(key, list) and len(key) == length and all(isinstance(k, str) for k in key)


def _digest(request: Message) -> str:
    bare = type(request)()
    bare.CopyFrom(request)
    for field in ("page_token", "page_size"):
        bare.ClearField(field)
    # Requests of two lists may have the same bytes, such as none.
    listed = bare.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)
    return hashlib.sha256(listed).hexdigest()[:DIGEST_LENGTH]
