"""Sessions: who a caller is. Every process verifies the Authorization header itself."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import aiohttp

from kit.auth import tokens
from kit.auth.issuers import Issuer, of_api_keys, of_people
from kit.auth.jwks import KeySource, PublicKey


class Role(StrEnum):
    """Role of a session; SERVICE is one of the platform's own processes.

    SUPPORT reads the orders of all customers, FINANCE also manages prices and coupons and sees costs, and
    ADMIN may do everything.
    """

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    SUPPORT = "support"
    FINANCE = "finance"
    ADMIN = "admin"
    SERVICE = "service"


# Roles that act for the shop, not for a customer.
STAFF = frozenset({Role.SUPPORT, Role.FINANCE, Role.ADMIN, Role.SERVICE})
# For each role that a method requires, the roles that satisfy it. The service role key may do everything.
SUFFICIENT = MappingProxyType(
    {
        Role.CUSTOMER: STAFF | {Role.CUSTOMER},
        Role.SUPPORT: STAFF,
        Role.FINANCE: STAFF - {Role.SUPPORT},
        Role.ADMIN: frozenset({Role.ADMIN, Role.SERVICE}),
        Role.SERVICE: frozenset({Role.SERVICE}),
    }
)


@dataclass(frozen=True, slots=True)
class Session:
    """A caller whose token was verified, or ANONYMOUS.

    `user_id` and `expires_at` (UTC) are None for ANONYMOUS and SERVICE. `claims` are the token's claims,
    which the database's row security evaluates. `token` is a secret: pass it to peers, never log it.
    `scopes` is None for people and services; the session of an API key may call only what its scopes allow.
    """

    role: Role
    user_id: UUID | None
    # Left out of repr() because claims contain the user's e-mail address; a mapping can't be hashed.
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    token: str = field(repr=False)
    expires_at: datetime | None
    scopes: frozenset[str] | None = None

    @property
    def is_anonymous(self) -> bool:
        """True for a user of Supabase's anonymous sign-in, which has no e-mail address or identity."""
        return self.claims.get("is_anonymous") not in (None, False)


ANONYMOUS = Session(Role.ANONYMOUS, None, MappingProxyType({}), "", None)

# RFC 7518 requires an HS256 secret to be at least as long as the hash.
_MIN_SECRET_BYTES = 32
# How long a revoked key may still be accepted: half the auth server's own cache time of 600 s.
_JWKS_TTL_SECONDS = 300.0
# The same for the keys of API keys' issuer, which is in the platform itself and withdraws a key at once.
_OWN_JWKS_TTL_SECONDS = 60.0
# How long an unknown key id is refused without another fetch.
_COOLDOWN_SECONDS = 2.0
# About 16 MiB, at 4 KiB per session.
_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class _Verified:
    session: Session
    expires: float
    issuer: Issuer
    key: PublicKey | None  # None: the shared secret


class Verifier:
    """Turns Authorization headers into sessions. One instance per process.

    `jwt_secret` enables HS256, for Supabase projects that still sign with a shared secret. `issuer` is
    the expected `iss` claim, by default Supabase Auth at `supabase_url`; keys always come from there.
    With `api_keys`, where the keys of their issuer are, API keys' tokens are trusted too: a token is verified
    with the keys of the issuer that it names, and no other. `clock` returns seconds since 1970.
    Raises ValueError for insecure settings.
    """

    def __init__(
        self,
        *,
        supabase_url: str,
        service_role_key: str,
        jwt_secret: str | None = None,
        issuer: str | None = None,
        audience: str = tokens.AUDIENCE,
        api_keys: KeySource | None = None,
        http: aiohttp.ClientSession,
        clock: Callable[[], float] = time.time,
        jwks_ttl: float = _JWKS_TTL_SECONDS,
        cooldown: float = _COOLDOWN_SECONDS,
        cache_size: int = _CACHE_SIZE,
    ) -> None:
        if not service_role_key:
            raise ValueError("the service role key is empty; set SUPABASE_SERVICE_ROLE_KEY")
        if jwt_secret and len(jwt_secret.encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"SUPABASE_JWT_SECRET is shorter than {_MIN_SECRET_BYTES} bytes")
        auth_url = supabase_url.rstrip("/") + "/auth/v1"
        self._people = of_people(
            issuer or auth_url,
            audience,
            f"{auth_url}/.well-known/jwks.json",
            http,
            ttl=jwks_ttl,
            cooldown=cooldown,
            clock=clock,
        )
        self._api_keys = api_keys and of_api_keys(
            api_keys, ttl=_OWN_JWKS_TTL_SECONDS, cooldown=cooldown, clock=clock
        )
        if self._api_keys is not None and self._api_keys.name == self._people.name:
            raise ValueError("two issuers have the same name; set another SUPABASE_JWT_ISSUER")
        self._service_role_key = service_role_key.encode()
        self._secret = jwt_secret.encode() if jwt_secret else None
        self._clock = clock
        self._cache: OrderedDict[bytes, _Verified] = OrderedDict()
        self._cache_size = cache_size

    async def session(self, authorization: str | None) -> Session:
        """Return the session of an Authorization header; ANONYMOUS without one.

        Raises Failure: UNAUTHENTICATED with reason TOKEN_MALFORMED, TOKEN_EXPIRED,
        TOKEN_NOT_YET_VALID or TOKEN_INVALID; UNAVAILABLE with reason AUTH_UNAVAILABLE if the issuer
        of the token is needed and does not respond.
        """
        if not authorization:
            return ANONYMOUS
        token = tokens.bearer(authorization)
        if hmac.compare_digest(token.encode(), self._service_role_key):
            return Session(Role.SERVICE, None, MappingProxyType({}), token, None)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is not None:
            if await self._is_still_valid(known):
                self._cache.move_to_end(digest)
                return known.session
            self._cache.pop(digest, None)
        verified = await self._verify(token)
        self._cache[digest] = verified
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return verified.session

    def seconds_left(self, session: Session) -> float | None:
        """Return how long a call of this session may continue, or None without a limit.

        Includes the leeway: a client that ends its call when the session expires does so before the server.
        """
        if session.expires_at is None:
            return None
        left = session.expires_at.timestamp() + tokens.LEEWAY_SECONDS - self._clock()
        return max(0.0, left)

    async def _is_still_valid(self, known: _Verified) -> bool:
        if self._clock() >= known.expires:
            return False  # verification accounts for the leeway and raises the right error
        # Revoking a key also revokes the tokens signed with it.
        return known.key is None or await known.issuer.keys.find(known.key.key_id) == known.key

    async def _verify(self, token: str) -> _Verified:
        header = tokens.read_header(token)
        issuer, key = self._issuer(token), None
        if header.algorithm == "HS256":
            # Never verify HS256 with a public key, which anyone could use as the secret.
            if self._secret is None or issuer is not self._people:
                tokens.refuse("TOKEN_INVALID", "tokens signed with HS256 are not accepted here")
            claims = tokens.verify_signature(token, self._secret, "HS256")
        else:
            key = await _key(issuer, header)
            claims = tokens.verify_signature(token, key.key, key.algorithm)
        user = issuer.check(claims, issuer=issuer.name, now=self._clock(), audience=issuer.audience)
        role = Role(user.staff_role or Role.CUSTOMER)
        session = Session(
            role,
            user.user_id,
            MappingProxyType(claims),
            token,
            user.expires_at,
            user.scopes,
        )
        return _Verified(session, user.expires_at.timestamp(), issuer, key)

    def _issuer(self, token: str) -> Issuer:
        """Return the issuer whose keys must verify the token, which `check` compares with its claims."""
        if self._api_keys and tokens.unverified_issuer(token) == self._api_keys.name:
            return self._api_keys
        return self._people


async def _key(issuer: Issuer, header: tokens.Header) -> PublicKey:
    if header.algorithm not in issuer.algorithms:
        tokens.refuse("TOKEN_INVALID", "the token's signing algorithm is not accepted")
    if header.key_id is None:
        tokens.refuse("TOKEN_INVALID", "the token's header contains no key id (kid)")
    key = await issuer.keys.find(header.key_id)
    if key is None:
        tokens.refuse("TOKEN_INVALID", "the token's signing key is unknown or has been revoked")
    if key.algorithm != header.algorithm:
        tokens.refuse("TOKEN_INVALID", "the token's algorithm does not match its key")
    return key
