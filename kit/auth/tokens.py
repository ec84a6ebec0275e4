"""Verification of Supabase access tokens: signature and claims, without I/O and without a clock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kit.errors import Failure, Kind

# A real token has 1 to 2 KiB and grows with user_metadata and app_metadata. Every part that carries one has
# room for this many: HTTP headers, gRPC metadata, and connection_init.
MAX_TOKEN_BYTES = 16 * 1024
# How far the clocks of the auth server and of this process may be apart, in seconds.
LEEWAY_SECONDS = 10
# A date beyond this (the year 9999) is not a date that Python can hold.
_LAST_SECOND = 253_402_300_799
# Of every session that Supabase Auth issues, unless it is configured otherwise.
AUDIENCE = "authenticated"

# Allows these three only: whatever else a header names ("none" above all) has no implementation.
_JWS = jwt.PyJWS(
    algorithms=["ES256", "RS256", "HS256"], options={"enforce_minimum_key_length": True}
)

SigningKey = EllipticCurvePublicKey | RSAPublicKey | bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What an unverified token says of its signature: enough to choose a key, no more."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class User:
    """Who a verified token speaks for."""

    user_id: UUID
    is_admin: bool
    expires_at: datetime


def refuse(reason: str, because: str) -> NoReturn:
    """Raise the UNAUTHENTICATED failure; `because` must not quote the token."""
    raise Failure(Kind.UNAUTHENTICATED, reason, f"Not authenticated: {because}; sign in again")


def bearer(authorization: str) -> str:
    """The token of an `Authorization` header; raises Failure when it has none or a huge one."""
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or " " in token:
        raise Failure(
            Kind.UNAUTHENTICATED,
            "TOKEN_MALFORMED",
            "Not authenticated: the Authorization header must consist of 'Bearer' and an"
            " access token",
        )
    if len(token) > MAX_TOKEN_BYTES:
        refuse("TOKEN_MALFORMED", f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    return token


def read_header(token: str) -> Header:
    """The header of a token that isn't verified yet; raises Failure when it isn't a JWT."""
    try:
        header = _JWS.get_unverified_header(token)
    except jwt.PyJWTError:
        refuse("TOKEN_MALFORMED", "the token is not a JSON Web Token")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        refuse("TOKEN_INVALID", "the token's header contains no algorithm")
    return Header(algorithm, key_id if isinstance(key_id, str) else None)


def verify_signature(token: str, key: SigningKey, algorithm: str) -> dict[str, Any]:
    """The claims of a token that `key` signed with `algorithm`, the one pinned to that key.

    Raises Failure otherwise. The claims themselves are unchecked: see `check_claims`.
    """
    try:
        payload = _JWS.decode_complete(token, key, algorithms=[algorithm])["payload"]
        claims = json.loads(payload)
    except jwt.PyJWTError:
        refuse("TOKEN_INVALID", "the token's signature is invalid")
    except (ValueError, RecursionError):
        refuse("TOKEN_MALFORMED", "the token's claims are not valid JSON")
    if not isinstance(claims, dict):
        refuse("TOKEN_MALFORMED", "the token's claims are not a JSON object")
    return claims


def check_claims(
    claims: Mapping[str, Any], *, issuer: str, now: float, audience: str = AUDIENCE
) -> User:
    """The user of verified claims; raises Failure when they don't hold.

    `now` is in seconds since 1970. Claims as Supabase's guide to its access tokens lists them.
    """
    if claims.get("iss") != issuer:
        refuse("TOKEN_INVALID", "the token was issued by another issuer")
    # RFC 7519: one audience, or a list of all that the token is for.
    meant = claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        refuse("TOKEN_INVALID", "the token is intended for another audience")
    expires = _seconds(claims, "exp")
    if now >= expires + LEEWAY_SECONDS:
        refuse("TOKEN_EXPIRED", "the token has expired")
    starts = max(_seconds(claims, "iat"), _seconds(claims, "nbf") if "nbf" in claims else 0)
    if starts > now + LEEWAY_SECONDS:
        refuse("TOKEN_NOT_YET_VALID", "the token is not valid yet (check the clocks)")
    if claims.get("role") != "authenticated":
        refuse("TOKEN_INVALID", "the token does not belong to a signed-in user")
    return User(_user_id(claims), _is_admin(claims), datetime.fromtimestamp(expires, UTC))


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # bool is an int to Python; JSON as Python reads it knows NaN and Infinity.
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("TOKEN_INVALID", f"the token's '{name}' is not a timestamp")
    if not 0 <= value <= _LAST_SECOND:  # false for NaN too
        refuse("TOKEN_INVALID", f"the token's '{name}' is not a timestamp")
    return value


def _user_id(claims: Mapping[str, Any]) -> UUID:
    subject = claims.get("sub")
    if isinstance(subject, str):
        try:
            user_id = UUID(subject)
        except ValueError:
            pass
        else:
            # UUID() also reads braces and urn:uuid:; the database and the policies don't.
            if str(user_id) == subject.lower():
                return user_id
    refuse("TOKEN_INVALID", "the token's 'sub' is not a user id")


def _is_admin(claims: Mapping[str, Any]) -> bool:
    # Only app_metadata: a user writes user_metadata for themselves. Row security reads the same.
    granted = claims.get("app_metadata")
    return isinstance(granted, dict) and granted.get("role") == "admin"
