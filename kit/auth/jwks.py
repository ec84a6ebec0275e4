"""An issuer's public signing keys, fetched and cached."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kit.errors import Failure, Kind
from kit.net import bounded_body

logger = logging.getLogger(__name__)

# A key set has a few keys of about 300 bytes each.
_MAX_BYTES = 64 * 1024
# Callers wait for it with their own deadline; a healthy issuer responds in milliseconds.
FETCH_SECONDS = 3.0
# Minimum interval between requests while the issuer is down.
_RETRY_SECONDS = 1.0
# Token bucket for fetches caused by unknown key ids: made-up ids must not load the issuer.
_BURST = 10
_PER_SECOND = 1.0
# Maximum number of unknown key ids that are cached.
_MAX_MISSING = 1_000
# RFC 7518 allows no smaller RSA key for RS256.
_MIN_RSA_BITS = 2048

# The members of a JWK that form the public key; private ones are never read.
_PUBLIC_MEMBERS = {"ES256": ("kty", "crv", "x", "y"), "RS256": ("kty", "n", "e")}

# Returns the JWKS document of an issuer. Raises Failure, TimeoutError or aiohttp.ClientError if that can't be
# fetched, and ValueError if the answer is no such document.
KeySource: TypeAlias = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key, and the only algorithm that it may be used with."""

    key_id: str
    algorithm: str
    material: tuple[str, ...]  # identifies the key across fetches
    key: EllipticCurvePublicKey | RSAPublicKey = field(compare=False, repr=False)


class KeySet:
    """The keys of one issuer. All callers share one fetch at a time.

    Keys older than `ttl` seconds are fetched again before use; while the issuer is down, the last
    known keys are used. An unknown key id triggers a fetch immediately, because keys may rotate at any
    time. If the issuer does not have that key, the id triggers no other fetch for `cooldown` seconds.
    `unavailable` is the message of the failure if keys are needed and can't be fetched.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        ttl: float,
        cooldown: float,
        clock: Callable[[], float],
        unavailable: str,
    ) -> None:
        self._source = source
        self._unavailable = unavailable
        self._ttl = ttl
        self._cooldown = cooldown
        self._clock = clock
        self._keys: Mapping[str, PublicKey] | None = None
        self._fetched_at = 0.0
        self._requested_at: float | None = None
        self._failing = False
        self._flight: asyncio.Task[None] | None = None
        # The number of fetches started, and the number of the last one that succeeded.
        self._flights = 0
        self._last_success = 0
        # When each key id was last missing from a fresh key set, oldest first.
        self._missing: OrderedDict[str, float] = OrderedDict()
        self._budget = float(_BURST)
        self._budget_at = clock()

    async def find(self, key_id: str) -> PublicKey | None:
        """Return the key with that id, or None if the issuer has no such key.

        Raises Failure(UNAVAILABLE) if this can't be determined, because the issuer does not respond
        or too many unknown key ids were looked up recently.
        """
        if self._keys is None or not self._younger_than(self._fetched_at, self._ttl):
            # During an outage callers don't wait for the next attempt: they use the known keys.
            await self._refresh(wait=self._keys is None or not self._failing)
        if (key := self._known(key_id)) is not None:
            return key
        missed_at = self._missing.get(key_id)
        if missed_at is not None and self._younger_than(missed_at, self._cooldown):
            return None
        return await self._look_up(key_id)

    async def _look_up(self, key_id: str) -> PublicKey | None:
        """Fetch the key set again for an unknown key id."""
        before = self._flights
        if self._flight is not None:
            # Its response may predate the key's publication, so a missing key proves nothing.
            await self._refresh(wait=True)
            if (key := self._known(key_id)) is not None:
                return key
        if self._flight is not None or not self._may_fetch():
            await self._refresh(wait=True)  # joins the fetch that another caller started meanwhile
        else:
            await self._refresh(wait=True, immediately=True)
        if (key := self._known(key_id)) is not None:
            return key
        if self._last_success <= before:
            raise Failure(
                Kind.UNAVAILABLE,
                "AUTH_UNAVAILABLE",
                self._unavailable,
                retry_after=_RETRY_SECONDS,
            )
        self._missing[key_id] = self._clock()
        self._missing.move_to_end(key_id)
        while len(self._missing) > _MAX_MISSING:
            self._missing.popitem(last=False)
        return None

    def _may_fetch(self) -> bool:
        """Take one token for a fetch caused by an unknown key id; False if there is none."""
        now = self._clock()
        passed = max(0.0, now - self._budget_at)
        self._budget = min(float(_BURST), self._budget + passed * _PER_SECOND)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _known(self, key_id: str) -> PublicKey | None:
        return self._keys.get(key_id) if self._keys is not None else None

    def _younger_than(self, moment: float, seconds: float) -> bool:
        # A negative age (the clock was set back) counts as old.
        return 0 <= self._clock() - moment < seconds

    async def _refresh(self, *, wait: bool, immediately: bool = False) -> None:
        """Join the fetch in flight, or start one unless the last one was too recent."""
        if self._flight is None:
            pause = 0.0 if immediately and not self._failing else _RETRY_SECONDS
            if self._requested_at is not None and self._younger_than(self._requested_at, pause):
                return
            self._requested_at = self._clock()
            self._flights += 1
            self._flight = asyncio.create_task(self._fetch(), name="fetch signing keys")
        if wait:
            # A cancelled caller must not cancel the fetch for the others.
            await asyncio.shield(self._flight)

    async def _fetch(self) -> None:
        try:
            self._keys = parse_keys(await self._source())
            self._fetched_at = self._clock()
            self._last_success = self._flights  # fetches never overlap
            self._failing = False
        except (
            aiohttp.ClientError,
            Failure,
            TimeoutError,
            ValueError,
            RecursionError,
        ) as error:
            self._failing = True
            reason = error.reason if isinstance(error, Failure) else str(error)
            logger.warning("signing keys can't be fetched: %s", reason or type(error).__name__)
        finally:
            self._flight = None


def at_url(url: str, http: aiohttp.ClientSession) -> KeySource:
    """Return the source of a JWKS document at a URL."""

    async def download() -> bytes:
        async with http.get(
            url,
            timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS),
            allow_redirects=False,
            headers={"Accept": "application/json"} | bounded_body.ACCEPT_ENCODING,
            auto_decompress=False,
        ) as response:
            if response.status != 200:
                raise ValueError(f"the server answered HTTP {response.status}")
            return await bounded_body.read(response, _MAX_BYTES)

    return download


def parse_keys(body: bytes) -> dict[str, PublicKey]:
    """Return the usable keys of a JWKS document by key id; raises ValueError if it isn't one.

    Other kinds of keys (shared secrets, encryption keys, other curves) are skipped, and so are malformed
    ones beside usable ones. Without usable ones, the document can't say that the known keys were revoked.
    """
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a key set")  # noqa: TRY004 - bad data, not a wrong argument type
    keys: dict[str, PublicKey] = {}
    malformed = False
    for entry in entries:
        try:
            key = _parse_key(entry)
        except ValueError:
            malformed = True
        else:
            if key is not None:
                keys.setdefault(key.key_id, key)
    if malformed and not keys:
        raise ValueError("none of its keys can be read")
    return keys


def _parse_key(entry: Any) -> PublicKey | None:
    """Return a usable key, or None for one of another kind; raises ValueError if it is malformed."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        raise ValueError("not a key")  # noqa: TRY004 - bad data, not a wrong argument type
    if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
        algorithm = "ES256"
    elif entry.get("kty") == "RSA":
        algorithm = "RS256"
    else:
        return None
    operations = entry.get("key_ops", ["verify"])
    if (
        entry.get("alg", algorithm) != algorithm
        or entry.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
    ):
        return None
    key_id = entry.get("kid")
    public = {name: entry.get(name) for name in _PUBLIC_MEMBERS[algorithm]}
    if not (isinstance(key_id, str) and key_id):
        raise ValueError("a key without an id")
    if not all(isinstance(value, str) and value for value in public.values()):
        raise ValueError("a key without its public part")
    try:
        key = jwt.PyJWK.from_dict(public, algorithm).key
    except jwt.PyJWTError as error:
        raise ValueError("an invalid key") from error
    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        return None
    return PublicKey(key_id, algorithm, tuple(str(value) for value in public.values()), key)
