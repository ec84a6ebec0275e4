"""The auth server's public signing keys, fetched over HTTP and kept."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kit.errors import Failure, Kind

logger = logging.getLogger(__name__)

# A key set has a few keys of some 300 bytes; an answer bigger than this is something else.
_MAX_BYTES = 64 * 1024
# The caller is waiting with a deadline of its own; a healthy auth server answers in milliseconds.
_FETCH_SECONDS = 3.0
# While the auth server is down it is asked again at most this often, so recovery shows at once.
_RETRY_SECONDS = 1.0
# RFC 7518 allows no smaller RSA key for RS256.
_MIN_RSA_BITS = 2048

# The members of a JWK that make the public key; private ones are never read.
_PUBLIC_MEMBERS = {"ES256": ("kty", "crv", "x", "y"), "RS256": ("kty", "n", "e")}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to verify with, and the one algorithm that it may be used for."""

    key_id: str
    algorithm: str
    material: tuple[str, ...]  # equal material means the same key, also after another fetch
    key: EllipticCurvePublicKey | RSAPublicKey = field(compare=False, repr=False)


class KeySet:
    """The keys at one JWKS address; one fetch at a time, whoever asks.

    Keys older than `ttl` seconds are fetched again before use; while the auth server is down the
    last ones known are used. A key id that isn't among them causes one fetch, then none for
    `cooldown` seconds: made-up ids must not turn into load on the auth server.
    """

    def __init__(
        self,
        url: str,
        http: aiohttp.ClientSession,
        *,
        ttl: float,
        cooldown: float,
        clock: Callable[[], float],
    ) -> None:
        self._url = url
        self._http = http
        self._ttl = ttl
        self._cooldown = cooldown
        self._clock = clock
        self._keys: Mapping[str, PublicKey] | None = None
        self._fetched_at = 0.0
        self._asked_at: float | None = None
        self._failing = False
        self._flight: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> PublicKey | None:
        """The key of that id; None when the auth server knows none.

        Raises Failure(UNAVAILABLE) when that can't be said: no keys are known, or the id is a new
        one and the auth server doesn't answer.
        """
        if self._keys is None or not self._younger_than(self._fetched_at, self._ttl):
            # During an outage nobody waits for the next attempt: the known keys are as good as any.
            await self._refresh(wait=self._keys is None or not self._failing)
        if (key := self._known(key_id)) is not None:
            return key
        await self._refresh(wait=True)
        if (key := self._known(key_id)) is None and (self._keys is None or self._failing):
            raise Failure(
                Kind.UNAVAILABLE,
                "AUTH_UNAVAILABLE",
                "The session can't be checked: the auth server doesn't answer; try again",
                retry_after=_RETRY_SECONDS,
            )
        return key

    def _known(self, key_id: str) -> PublicKey | None:
        return self._keys.get(key_id) if self._keys is not None else None

    def _younger_than(self, moment: float, seconds: float) -> bool:
        # A clock that was set back makes the age negative: that counts as old.
        return 0 <= self._clock() - moment < seconds

    async def _refresh(self, *, wait: bool) -> None:
        if self._flight is None:
            pause = _RETRY_SECONDS if self._failing else self._cooldown
            if self._asked_at is not None and self._younger_than(self._asked_at, pause):
                return
            self._asked_at = self._clock()
            self._flight = asyncio.create_task(self._fetch(), name="fetch signing keys")
        if wait:
            # A caller that goes away must not take the others' answer with it.
            await asyncio.shield(self._flight)

    async def _fetch(self) -> None:
        try:
            self._keys = parse_keys(await self._download())
            self._fetched_at = self._clock()
            self._failing = False
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            self._failing = True
            logger.warning("signing keys can't be fetched: %s", type(error).__name__)
        finally:
            self._flight = None

    async def _download(self) -> bytes:
        async with self._http.get(
            self._url,
            timeout=aiohttp.ClientTimeout(total=_FETCH_SECONDS),
            allow_redirects=False,
            headers={"Accept": "application/json"},
        ) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise ValueError("the answer is too big")
            return bytes(body)


def parse_keys(body: bytes) -> dict[str, PublicKey]:
    """The usable keys of a JWKS document by key id; raises ValueError when it is no such document.

    Keys of other kinds (shared secrets, encryption keys, other curves) are left out.
    """
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a key set")  # noqa: TRY004 - bad data, no argument's wrong type
    keys: dict[str, PublicKey] = {}
    for entry in entries:
        key = _parse_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys.setdefault(key.key_id, key)
    return keys


def _parse_key(entry: Mapping[str, Any]) -> PublicKey | None:
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
        return None
    if not all(isinstance(value, str) and value for value in public.values()):
        return None
    try:
        key = jwt.PyJWK.from_dict(public, algorithm).key
    except (jwt.PyJWTError, ValueError):
        return None
    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        return None
    return PublicKey(key_id, algorithm, tuple(str(value) for value in public.values()), key)
