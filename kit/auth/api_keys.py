"""API keys of machine clients: their form, and the issuer of the tokens that they are exchanged for."""

import hashlib
import re
import secrets
import string
import zlib
from uuid import UUID

from kit.auth import tokens
from kit.errors import Failure, Kind

# `iss` and `aud` of the tokens that API keys are exchanged for. Both differ from those of people's tokens.
ISSUER = "urn:esimgo:api-keys"
AUDIENCE = "esimgo"
# Seconds that such a token is valid. Only the gateway holds it, which renews it more often.
TOKEN_SECONDS = 300

PREFIX = "esk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 62^37 is more than 2^220.
RANDOM_LENGTH = 37
# 62^6 exceeds the 2^32 values of CRC32.
CHECKSUM_LENGTH = 6
FORM = re.compile(r"esk_(?:live|test)_[0-9A-Za-z]{43}", re.ASCII)
# Characters of the hint by which people recognize a key: the prefix and four of its random ones.
HINT_LENGTH = 13


def create(*, live: bool) -> str:
    """Return a new key; `live` is False for one of a test system."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    start = f"{PREFIX}{'live' if live else 'test'}_{random}"
    return start + _checksum(start)


def create_id() -> UUID:
    """Return a new id of a key, a random UUID of version 8, which no person's id has."""
    bits = secrets.randbits(128)
    bits = bits & ~(0xF << 76) | tokens.API_KEY_ID_VERSION << 76
    return UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


def is_id(user_id: UUID) -> bool:
    """True if this is the id of an API key, and not that of a person."""
    return user_id.version == tokens.API_KEY_ID_VERSION


def in_header(authorization: str | None) -> str | None:
    """Return the API key of an Authorization header; None if it contains none.

    Raises Failure UNAUTHENTICATED (API_KEY_INVALID) for a mistyped or incomplete key.
    """
    if authorization is None or PREFIX not in authorization:
        return None
    key = tokens.bearer(authorization)
    if not key.startswith(PREFIX):
        return None
    if not FORM.fullmatch(key) or key[-CHECKSUM_LENGTH:] != _checksum(key[:-CHECKSUM_LENGTH]):
        raise invalid("is incomplete or mistyped")
    return key


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key. A key has too much entropy to be found by trying."""
    return hashlib.sha256(key.encode()).digest()


def hint(key: str) -> str:
    """Return the start of a key, by which its owner recognizes it."""
    return key[:HINT_LENGTH]


def invalid(because: str) -> Failure:
    """Return the failure for a key that is not valid."""
    return Failure(
        Kind.UNAUTHENTICATED,
        "API_KEY_INVALID",
        f"Not authenticated: the API key {because}; send a valid one as `Authorization: Bearer"
        " <key>`",
    )


def _checksum(start: str) -> str:
    rest, digits = zlib.crc32(start.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
