"""Verification of the signature and claims of access tokens, without I/O or a clock."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from multidict import MultiMapping

from kit.auth.token_size import MAX_TOKEN_BYTES
from kit.errors import Failure, Kind

# Tolerated difference between the clocks of the auth server and this process, in seconds.
LEEWAY_SECONDS = 10
# The last second of the year 9999, the last one that a datetime can represent.
_LAST_SECOND = 253_402_300_799
# Supabase Auth's default audience.
AUDIENCE = "authenticated"
# The version of the UUIDs that identify API keys. People have version 4, so neither issuer can name the
# users of the other.
API_KEY_ID_VERSION = 8
# Seconds that a token of an API key may still be valid. The platform makes none that is valid for longer.
MAX_API_KEY_SECONDS = 600

# Roles in app_metadata that act for the shop; kit.auth.sessions names what they may do.
STAFF_ROLES = frozenset({"admin", "finance", "support"})
# Only these algorithms exist for this verifier; "none" in particular does not.
_JWS = jwt.PyJWS(
    algorithms=["ES256", "RS256", "HS256"], options={"enforce_minimum_key_length": True}
)

SigningKey = EllipticCurvePublicKey | RSAPublicKey | bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an unverified token; use it only to choose the key."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class User:
    """The user of a verified token."""

    user_id: UUID
    staff_role: str  # the role in app_metadata; empty for customers and API keys
    expires_at: datetime
    scopes: frozenset[str] | None = None  # None for people


def refuse(reason: str, because: str) -> NoReturn:
    """Raise the UNAUTHENTICATED failure; `because` must not quote the token."""
    raise Failure(Kind.UNAUTHENTICATED, reason, f"Not authenticated: {because}; sign in again")


def bearer(authorization: str) -> str:
    """Return the token of an `Authorization` header; raises Failure if it is missing or too long."""
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


def authorization(headers: MultiMapping[str]) -> str | None:
    """Return the Authorization header of a request, or None.

    Different ones are joined, as in HTTP, so that none of them is accepted.
    """
    return ", ".join(dict.fromkeys(headers.getall("Authorization", ()))) or None


def read_header(token: str) -> Header:
    """Return the header of a token before verification; raises Failure if it isn't a JWT."""
    try:
        header = _JWS.get_unverified_header(token)
    except jwt.PyJWTError:
        refuse("TOKEN_MALFORMED", "the token is not a JSON Web Token")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        refuse("TOKEN_INVALID", "the token's header contains no algorithm")
    return Header(algorithm, key_id if isinstance(key_id, str) else None)


def unverified_issuer(token: str) -> str | None:
    """Return the `iss` of a token before verification; use it only to choose the keys."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def verify_signature(token: str, key: SigningKey, algorithm: str) -> dict[str, Any]:
    """Return the claims of a token if `key` signed it with `algorithm`; otherwise raises Failure.

    The claims themselves are not checked here: see `check_claims`.
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
    """Return the user of a person's token with these claims; raises Failure if a claim is invalid.

    `now` is in seconds since 1970.
    """
    expires = _check_common(claims, issuer=issuer, now=now, audience=audience)
    user_id = _user_id(claims)
    if user_id.version == API_KEY_ID_VERSION:
        refuse("TOKEN_INVALID", "the token's 'sub' is not the id of a person")
    return User(user_id, _staff_role(claims), datetime.fromtimestamp(expires, UTC))


def check_api_key_claims(
    claims: Mapping[str, Any], *, issuer: str, now: float, audience: str
) -> User:
    """Return the API key of a token with these claims; raises Failure if a claim is invalid.

    Such a token can name no person and no role.
    """
    expires = _check_common(claims, issuer=issuer, now=now, audience=audience)
    if expires > now + MAX_API_KEY_SECONDS:
        refuse("TOKEN_INVALID", "the token of an API key is valid for too long")
    if "app_metadata" in claims or "is_anonymous" in claims:
        refuse("TOKEN_INVALID", "the token of an API key contains claims of a person")
    user_id = _user_id(claims)
    if user_id.version != API_KEY_ID_VERSION:
        refuse("TOKEN_INVALID", "the token's 'sub' is not the id of an API key")
    scope = claims.get("scope")
    if not isinstance(scope, str):
        refuse("TOKEN_INVALID", "the token of an API key contains no scopes")
    at = datetime.fromtimestamp(expires, UTC)
    return User(user_id, "", at, frozenset(scope.split()))


def _check_common(claims: Mapping[str, Any], *, issuer: str, now: float, audience: str) -> float:
    """Check the claims that the tokens of all issuers have; return the expiry."""
    if claims.get("iss") != issuer:
        refuse("TOKEN_INVALID", "the token was issued by another issuer")
    # RFC 7519: a single audience or a list.
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        refuse("TOKEN_INVALID", "the token is intended for another audience")
    expires = _seconds(claims, "exp")
    if now >= expires + LEEWAY_SECONDS:
        refuse("TOKEN_EXPIRED", "the token has expired")
    starts = max(_seconds(claims, "iat"), _seconds(claims, "nbf") if "nbf" in claims else 0)
    if starts > now + LEEWAY_SECONDS:
        refuse("TOKEN_NOT_YET_VALID", "the token is not valid yet (check the clocks)")
    if claims.get("role") != "authenticated":
        refuse("TOKEN_INVALID", "the token does not belong to a signed-in user")
    return expires


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # In Python, bool is an int, and JSON may contain NaN and Infinity.
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
            # UUID() also accepts braces and urn:uuid:; PostgreSQL's policies don't. The id of all zeros owns
            # the rows of erased customers.
            if str(user_id) == subject.lower() and user_id.int:
                return user_id
    refuse("TOKEN_INVALID", "the token's 'sub' is not a user id")


def _staff_role(claims: Mapping[str, Any]) -> str:
    # Only app_metadata, as in the row security policies: users can change user_metadata themselves.
    app_metadata = claims.get("app_metadata")
    role = app_metadata.get("role") if isinstance(app_metadata, dict) else None
    return role if isinstance(role, str) and role in STAFF_ROLES else ""
