"""In-memory cache of public responses. Entries expire, and a change of the catalogue removes all."""

import asyncio
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

from kit.values.clock import Clock

# Bytes of all entries. A page of 20 plans has 10 kB, the whole catalogue 6 MB.
MAX_BYTES = 64 * 2**20
# Bytes of an entry in addition to its body and key.
OVERHEAD = 800
# One entry may take 1/8 of all bytes, so that a large one doesn't evict most others.
MAX_SHARE = 1 / 8


@dataclass(frozen=True, slots=True)
class Cached:
    """A cached response, the cost of its operation, and the time at which its execution began."""

    body: bytes
    etag: str
    cost: int
    since: float


class ResponseCache:
    """Least-recently-used cache whose entries expire after `seconds`."""

    def __init__(
        self, seconds: float, *, max_bytes: int = MAX_BYTES, clock: Clock | None = None
    ) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._clock = clock or Clock()
        self._now = self._clock.now
        self._entries: dict[Hashable, Cached] = {}
        self._bytes = 0
        self._generation = 0
        self._in_flight: dict[Hashable, asyncio.Event] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def find(self, key: Hashable) -> Cached | None:
        """Return the entry of a key, if it is cached and has not expired."""
        cached = self._entries.pop(key, None)
        if cached is None:
            return None
        if self._now() - cached.since > self._seconds:
            self._bytes -= _size(key, cached)
            return None
        self._entries[key] = cached  # last, as the most recently used
        return cached

    async def get_or_reserve(self, key: Hashable) -> "Cached | Reservation":
        """Return the entry, waiting if another caller computes it, or a reservation to compute it.

        If the other caller stores nothing, every waiting caller gets a reservation.
        """
        cached = self.find(key)
        if cached is not None:
            return cached
        if (done := self._in_flight.get(key)) is not None:
            await done.wait()
            cached = self.find(key)
            if cached is not None:
                return cached
        return Reservation(self, key)

    def age(self, cached: Cached) -> int:
        """Return the age of an entry in whole seconds."""
        return int(self._now() - cached.since)

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def drop(self) -> None:
        """Remove all entries; results in flight, which may be based on old data, are not stored."""
        self._entries.clear()
        self._bytes = 0
        self._generation += 1

    def _store(self, key: Hashable, cached: Cached, generation: int) -> None:
        if generation != self._generation or len(cached.body) > self._max_bytes * MAX_SHARE:
            return
        if (before := self._entries.pop(key, None)) is not None:
            self._bytes -= _size(key, before)
        self._entries[key] = cached
        self._bytes += _size(key, cached)
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))
        if self._sweep is None:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _drop_expired(self) -> None:
        """Remove expired entries; repeat while entries are left."""
        now, self._sweep = self._now(), None
        for key in [
            key for key, cached in self._entries.items() if now - cached.since >= self._seconds
        ]:
            self._forget(key)
        if self._entries:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _forget(self, key: Hashable) -> None:
        self._bytes -= _size(key, self._entries.pop(key))


class Reservation:
    """Context in which one caller computes an entry while callers with the same key wait for it."""

    def __init__(self, cache: ResponseCache, key: Hashable) -> None:
        self._cache = cache
        self._key = key
        self._made = asyncio.Event()

    def __enter__(self) -> "Reservation":
        self._generation = self._cache._generation
        self._since = self._cache._now()
        self._first = self._cache._in_flight.setdefault(self._key, self._made) is self._made
        return self

    def __exit__(self, *_: object) -> None:
        if self._first:
            del self._cache._in_flight[self._key]
        self._made.set()

    def store(self, body: bytes, cost: int) -> Cached:
        """Store a response, unless the catalogue has changed since the execution began."""
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        cached = Cached(compact(body), etag, cost, self._since)
        self._cache._store(self._key, cached, self._generation)
        return cached


def compact(encoded: bytes) -> bytes:
    """Copy the output of orjson, which keeps its whole buffer: 30 bytes occupy 4 kB, 5 kB occupy 65 kB."""
    return bytes(memoryview(encoded))


def _size(key: Hashable, cached: Cached) -> int:
    parts = key if isinstance(key, tuple) else (key,)
    return OVERHEAD + len(cached.body) + sum(len(p) for p in parts if isinstance(p, str | bytes))
