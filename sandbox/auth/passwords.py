"""Passwords: the rules for a new one, and hashes that may be kept."""

import base64
import hashlib
import hmac
import secrets

from sandbox.auth.errors import Refusal, bad_request

# Both bounds are those of Supabase Auth; the upper one is what its hash can take.
_MIN_LENGTH = 6
_MAX_BYTES = 72
# 16 MiB and some 40 ms for each guess: RFC 7914's setting for interactive use.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1


def check_strength(password: str) -> None:
    """Raise Refusal for a password that can't be had."""
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
    """Salt and hash as one text. Takes tens of milliseconds: not for the event loop."""
    salt = secrets.token_bytes(16)
    return _encode(salt) + "$" + _encode(_scrypt(password, salt))


def matches(password: str, hashed: str) -> bool:
    """Whether `hashed` was made of `password`. As slow as `hash_password`."""
    salt, _, digest = hashed.partition("$")
    expected = base64.b64decode(digest)
    return hmac.compare_digest(_scrypt(password, base64.b64decode(salt)), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
