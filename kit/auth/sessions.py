"""Sessions: who a caller is, decided from the Authorization header by every process for itself."""

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
from kit.auth.jwks import KeySet, PublicKey


class Role(StrEnum):
    """What a session may be allowed; SERVICE is a process of the platform itself."""

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Session:
    """A caller whose token was verified, or ANONYMOUS.

    `user_id` is None for ANONYMOUS and SERVICE, `expires_at` (UTC) too. `claims` are the token's,
    for the database's row security. `token` is a secret: pass it on to peers, never log it.
    """

    role: Role
    user_id: UUID | None
    # Not shown: claims hold the user's e-mail address. Not hashed: a mapping can't be.
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    token: str = field(repr=False)
    expires_at: datetime | None

    @property
    def is_anonymous(self) -> bool:
        """True for a user whom Supabase signed in anonymously, without an e-mail or another identity."""
        return self.claims.get("is_anonymous") not in (None, False)


ANONYMOUS = Session(Role.ANONYMOUS, None, MappingProxyType({}), "", None)

# RFC 7518 wants an HS256 secret as long as its hash; Supabase's own are longer.
_MIN_SECRET_BYTES = 32
# Half the 600 s that the auth server lets its answer live: how long a dropped key may still count.
_JWKS_TTL_SECONDS = 300.0
# For how long a key id that the auth server doesn't know is refused without another fetch.
_COOLDOWN_SECONDS = 2.0
# At some 4 KiB a session this is at most 16 MiB, and covers that many users active at once.
_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class _Verified:
    session: Session
    expires: float
    key: PublicKey | None  # None: the shared secret


class Verifier:
    """Turns Authorization headers into sessions; one per process.

    `jwt_secret` allows HS256, for Supabase projects that still sign with a shared secret. `issuer` is
    the tokens' `iss`, by default Supabase Auth at `supabase_url`, where the keys are in any case.
    `clock` gives seconds since 1970. Raises ValueError for settings that would leave a door open.
    """

    def __init__(
        self,
        *,
        supabase_url: str,
        service_role_key: str,
        jwt_secret: str | None = None,
        issuer: str | None = None,
        audience: str = tokens.AUDIENCE,
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
        self._issuer = issuer or auth_url
        self._audience = audience
        self._service_role_key = service_role_key.encode()
        self._secret = jwt_secret.encode() if jwt_secret else None
        self._clock = clock
        self._keys = KeySet(
            f"{auth_url}/.well-known/jwks.json",
            http,
            ttl=jwks_ttl,
            cooldown=cooldown,
            clock=clock,
        )
        self._cache: OrderedDict[bytes, _Verified] = OrderedDict()
        self._cache_size = cache_size

    async def session(self, authorization: str | None) -> Session:
        """The session of an Authorization header; ANONYMOUS without one.

        Raises Failure: UNAUTHENTICATED with reason TOKEN_MALFORMED, TOKEN_EXPIRED,
        TOKEN_NOT_YET_VALID or TOKEN_INVALID; UNAVAILABLE with reason AUTH_UNAVAILABLE when the auth
        server is needed and doesn't answer.
        """
        if not authorization:
            return ANONYMOUS
        token = tokens.bearer(authorization)
        if hmac.compare_digest(token.encode(), self._service_role_key):
            return Session(Role.SERVICE, None, MappingProxyType({}), token, None)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is not None:
            if await self._still_holds(known):
                self._cache.move_to_end(digest)
                return known.session
            self._cache.pop(digest, None)
        verified = await self._verify(token)
        self._cache[digest] = verified
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return verified.session

    def seconds_left(self, session: Session) -> float | None:
        """How long a call that this session began may go on; None: for ever.

        With the leeway that a new call has, so that whoever ends at the expiry itself ends first.
        """
        if session.expires_at is None:
            return None
        left = session.expires_at.timestamp() + tokens.LEEWAY_SECONDS - self._clock()
        return max(0.0, left)

    async def _still_holds(self, known: _Verified) -> bool:
        if self._clock() >= known.expires:
            return False  # verifying again words the refusal, and knows the leeway
        # A key that the auth server dropped takes its tokens along, however long they would live.
        return known.key is None or await self._keys.find(known.key.key_id) == known.key

    async def _verify(self, token: str) -> _Verified:
        header = tokens.read_header(token)
        key = None
        if header.algorithm == "HS256":
            # Only ever the secret: a public key is no secret, so it must not be tried as one.
            if self._secret is None:
                tokens.refuse("TOKEN_INVALID", "tokens signed with HS256 are not accepted here")
            claims = tokens.verify_signature(token, self._secret, "HS256")
        else:
            key = await self._key(header)
            claims = tokens.verify_signature(token, key.key, key.algorithm)
        user = tokens.check_claims(
            claims, issuer=self._issuer, now=self._clock(), audience=self._audience
        )
        role = Role.ADMIN if user.is_admin else Role.CUSTOMER
        session = Session(role, user.user_id, MappingProxyType(claims), token, user.expires_at)
        return _Verified(session, user.expires_at.timestamp(), key)

    async def _key(self, header: tokens.Header) -> PublicKey:
        if header.algorithm not in ("ES256", "RS256"):
            tokens.refuse("TOKEN_INVALID", "the token's signing algorithm is not accepted")
        if header.key_id is None:
            tokens.refuse("TOKEN_INVALID", "the token's header contains no key id (kid)")
        key = await self._keys.find(header.key_id)
        if key is None:
            tokens.refuse("TOKEN_INVALID", "the token's signing key is unknown or has been revoked")
        if key.algorithm != header.algorithm:
            tokens.refuse("TOKEN_INVALID", "the token's algorithm does not match its key")
        return key
