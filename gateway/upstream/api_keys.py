"""Sessions of API keys: exchanges a key for a token at the orders service, and caches the token briefly."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from gateway.upstream.peers import Peers
from kit.auth import api_keys
from kit.auth.sessions import Session, Verifier
from kit.errors import SERVICE_UNAVAILABLE, Failure, Kind
from kit.rpc import client as rpc_client
from kit.values.clock import Clock
from protos.orders.v1 import api_keys_pb2

# Seconds. A revoked key is refused after this time at the latest.
CACHED_FOR = 60.0
# Keys with their addresses, a few kilobytes each. The least recently used is evicted.
MAX_CACHED = 2_000
# Seconds. The exchange takes some milliseconds.
TIMEOUT = 5.0

# The hash of a key, and the address of its client.
Use = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class _Cached:
    session: Session
    until: float


class APIKeySessions:
    """Turns API keys into sessions; one instance per process. Only hashes of keys are stored or sent."""

    def __init__(
        self, peers: Peers, verifier: Verifier, service_role_key: str, clock: Clock | None = None
    ) -> None:
        self._peers = peers
        self._verifier = verifier
        self._service_role_key = service_role_key
        self._clock = clock or Clock()
        self._cached: OrderedDict[Use, _Cached] = OrderedDict()
        self._in_flight: dict[Use, asyncio.Task[Session]] = {}

    async def session(self, key: str, address: str | None) -> Session:
        """Return the session of a key whose client has this address; None if it is unknown.

        Raises Failure UNAUTHENTICATED (API_KEY_INVALID, API_KEY_REVOKED, API_KEY_EXPIRED), FORBIDDEN
        (API_KEY_ADDRESS), or UNAVAILABLE if the orders service is, or does not answer in time.
        """
        use = (api_keys.digest(key), address or "")
        known = self._cached.get(use)
        if known is not None and self._clock.now() < known.until:
            self._cached.move_to_end(use)
            try:
                return await self._verifier.session(f"Bearer {known.session.token}")
            except Failure as failure:
                # The token or the key that signed it has ended; the exchange says why, or renews it.
                if failure.kind is not Kind.UNAUTHENTICATED:
                    raise
        self._cached.pop(use, None)
        running = self._in_flight.get(use)
        if running is None:
            running = asyncio.create_task(self._exchange(use), name="exchange an API key")
            self._in_flight[use] = running
            running.add_done_callback(lambda ended: self._ended(use, ended))
        # A cancelled caller must not cancel the exchange for the others.
        return await asyncio.shield(running)

    def _ended(self, use: Use, ended: asyncio.Task[Session]) -> None:
        del self._in_flight[use]
        if not ended.cancelled():
            ended.exception()  # otherwise asyncio logs it if all callers were cancelled

    async def _exchange(self, use: Use) -> Session:
        key_hash, address = use
        # Counted from before the exchange, in which a revocation may already be missed.
        until = self._clock.now() + CACHED_FOR
        request = api_keys_pb2.ExchangeAPIKeyRequest(key_hash=key_hash, address=address)
        try:
            answer = await rpc_client.call(
                self._peers.api_keys.ExchangeAPIKey,
                request,
                token=self._service_role_key,
                timeout=TIMEOUT,
            )
        except Failure as failure:
            if failure.kind is not Kind.DEADLINE:
                raise
            raise Failure(
                Kind.UNAVAILABLE,
                SERVICE_UNAVAILABLE,
                "The API key can't be checked, because the orders service did not answer in time; try again",
            ) from failure
        session = await self._verifier.session(f"Bearer {answer.token}")
        self._cached[use] = _Cached(session, until)
        while len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)
        return session
