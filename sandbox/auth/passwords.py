"""Passwords: rules for new ones, and hashes."""

import base64
import hashlib
import hmac
import secrets

from sandbox.auth.errors import Refusal, bad_request

# As in Supabase Auth; the maximum is that of its hash function.
_MIN_LENGTH = 6
_MAX_BYTES = 72
# 16 MiB and some 40 ms for each guess: RFC 7914's setting for interactive use.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1


def check_strength(password: str) -> None:
    """Raise Refusal for a password that is too short or too long."""
    if len(password.encode()) > _MAX_BYTES:
        raise bad_request(f"Password cannot be longer than {_MAX_BYTES} characters")
    if len(password) < _MIN_LENGTH:
        raise Refusal(
            422,
            "weak_password",
            f"Password should be at least {_MIN_LENGTH} characters.",
            weak_password={"reasons": ["length"]},
        )


def hash_password(password: str) -> str:
    """Return salt and hash as one text. Takes tens of milliseconds, so call it in a thread."""
    salt = secrets.token_bytes(16)
    return _encode(salt) + "$" + _encode(_scrypt(password, salt))


def matches(password: str, hashed: str) -> bool:
    """Return True if `hashed` is of `password`. As slow as `hash_password`."""
    salt, _, digest = hashed.partition("$")
    expected = base64.b64decode(digest)
    return hmac.compare_digest(_scrypt(password, base64.b64decode(salt)), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
