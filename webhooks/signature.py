"""Verifies the signatures of callbacks."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

HEADER = "X-Signature-SHA256"
# HMAC-SHA256 in hex has 64 characters, in base64 44.
HEX_LENGTH = 64


def is_valid(body: bytes, signature: str | None, keys: Iterable[str]) -> bool:
    """Verify the HMAC-SHA256 of the raw body, in hex or base64: the provider documents both.

    Any of the keys may match, so that the old one stays valid during a rotation.
    """
    claimed = _decode(signature or "")
    valid = False
    for key in keys:
        expected = hmac.digest(key.encode(), body, hashlib.sha256)
        # No early return: the time must not reveal which key was right.
        valid |= hmac.compare_digest(expected, claimed)
    return valid


def _decode(signature: str) -> bytes:
    text = signature.strip()
    if not text or len(text) > HEX_LENGTH or not text.isascii():
        return b""
    try:
        if len(text) == HEX_LENGTH:
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
