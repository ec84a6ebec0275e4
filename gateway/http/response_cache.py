"""In-memory cache of public answers, dropped when the catalogue changes or when they expire."""

import asyncio
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

from kit.values.clock import Clock

# Bytes of all entries. A page of 20 plans has 10 kB; the whole catalogue has 6 MB.
MOST_BYTES = 64 * 2**20
# Bytes of an entry beside its body and the texts of its key: an empty list has a body of 30.
OVERHEAD = 800
# One answer may have this part of all bytes, so that a large one doesn't drive the others out.
PART = 8


@dataclass(frozen=True, slots=True)
class Cached:
    """A cached answer: `cost` is its operation's, `since` the time at which its making began."""

    body: bytes
    etag: str
    cost: int
    since: float


class ResponseCache:
    """Least-recently-used cache whose entries expire after `seconds`; one object a process."""

    def __init__(
        self,
        seconds: float,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock or Clock()
        self._now = self._clock.now
        self._entries: dict[Hashable, Cached] = {}
        self._bytes = 0
        self._generation = 0
        self._making: dict[Hashable, asyncio.Event] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def find(self, key: Hashable) -> Cached | None:
        """Return the answer under a key, if it is cached and has not expired."""
        cached = self._entries.pop(key, None)
        if cached is None:
            return None
        if self._now() - cached.since > self._seconds:
            self._bytes -= _size(key, cached)
            return None
        self._entries[key] = cached  # as the newest
        return cached

    async def found_or_mine(self, key: Hashable) -> "Cached | Making":
        """Return the answer, waiting while another caller makes it; or the permission to make it.

        A caller whose wait ends without an answer makes it too.
        """
        cached = self.find(key)
        if cached is not None:
            return cached
        if (made := self._making.get(key)) is not None:
            await made.wait()
            cached = self.find(key)
            if cached is not None:
                return cached
        return Making(self, key)

    def age(self, cached: Cached) -> int:
        """Return the whole seconds since the answer was made."""
        return int(self._now() - cached.since)

    @property
    def size(self) -> int:
        """The bytes that all entries take."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def drop(self) -> None:
        """Remove every answer, and do not store those that are being made from older data."""
        self._entries.clear()
        self._bytes = 0
        self._generation += 1

    def _store(self, key: Hashable, cached: Cached, generation: int) -> None:
        if generation != self._generation or len(cached.body) > self._most_bytes // PART:
            return
        if (before := self._entries.pop(key, None)) is not None:
            self._bytes -= _size(key, before)
        self._entries[key] = cached
        self._bytes += _size(key, cached)
        while self._bytes > self._most_bytes:  # the first entry was used the longest ago
            self._forget(next(iter(self._entries)))
        if self._sweep is None:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _drop_expired(self) -> None:
        """Remove expired answers that no request has used since, and repeat while some are left."""
        now, self._sweep = self._now(), None
        for key in [
            key for key, cached in self._entries.items() if now - cached.since >= self._seconds
        ]:
            self._forget(key)
        if self._entries:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _forget(self, key: Hashable) -> None:
        self._bytes -= _size(key, self._entries.pop(key))


class Making:
    """The time in which one caller makes an answer while others with the same key wait for it."""

    def __init__(self, cache: ResponseCache, key: Hashable) -> None:
        self._cache = cache
        self._key = key
        self._made = asyncio.Event()

    def __enter__(self) -> "Making":
        self._generation = self._cache._generation
        self._since = self._cache._now()
        self._first = self._cache._making.setdefault(self._key, self._made) is self._made
        return self

    def __exit__(self, *_: object) -> None:
        if self._first:
            del self._cache._making[self._key]
        self._made.set()

    def store(self, body: bytes, cost: int) -> Cached:
        """Store the answer, unless the catalogue has changed meanwhile."""
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        cached = Cached(compact(body), etag, cost, self._since)
        self._cache._store(self._key, cached, self._generation)
        return cached


def compact(encoded: bytes) -> bytes:
    """Copy bytes that orjson made into memory of their own size.

    orjson does not release the rest of its buffer: 30 bytes occupy 4 kB, and 5 kB occupy 65.
    """
    return bytes(memoryview(encoded))


def _size(key: Hashable, cached: Cached) -> int:
    parts = key if isinstance(key, tuple) else (key,)
    return OVERHEAD + len(cached.body) + sum(len(p) for p in parts if isinstance(p, str | bytes))
