"""Verifies the signatures of callbacks."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

HEADER = "X-Signature-SHA256"
# Some senders name the algorithm in front, in any case.
PREFIX = "sha256="
# HMAC-SHA256 in hex has 64 characters, in base64 43 and padding.
HEX_LENGTH = 64
URL_SAFE = str.maketrans("-_", "+/")


def is_valid(body: bytes, signature: str | None, keys: Iterable[str]) -> bool:
    """Verify the HMAC-SHA256 of the raw body, in hex or any base64: the provider documents both.

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
    if text[: len(PREFIX)].lower() == PREFIX:
        text = text[len(PREFIX) :].strip()
    if not text or len(text) > HEX_LENGTH or not text.isascii():
        return b""
    try:
        if len(text) == HEX_LENGTH:
            return bytes.fromhex(text)
        digits = text.translate(URL_SAFE).rstrip("=")
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (ValueError, binascii.Error):
        return b""
