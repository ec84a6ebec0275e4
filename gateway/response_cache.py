"""Answers that are the same for everybody, kept in memory until what they show changes or they are old."""

import asyncio
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

from kit.clock import Clock

# Bytes of all entries. A page of 20 plans has 10 kB; the whole catalogue, which may be asked for too, 6 MB.
MOST_BYTES = 64 * 2**20
# Bytes of an entry beside its body and the texts of its key: an empty list has a body of 30.
OVERHEAD = 800
# One answer may have this part of all bytes, so that a large one doesn't drive the others out.
PART = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: `cost` is what its operation may cost, `since` the moment from which it was true."""

    body: bytes
    etag: str
    cost: int
    since: float


class ResponseCache:
    """Keeps what was last used, `seconds` at most; one object a process."""

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
        self._kept: dict[Hashable, Kept] = {}
        self._bytes = 0
        self._generation = 0
        self._making: dict[Hashable, asyncio.Event] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def find(self, key: Hashable) -> Kept | None:
        """The answer under a key while it is good."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        if self._now() - kept.since > self._seconds:
            self._bytes -= _size(key, kept)
            return None
        self._kept[key] = kept  # as the newest
        return kept

    async def found_or_mine(self, key: Hashable) -> "Kept | Making":
        """The answer, awaited while another caller makes it; or leave to make it.

        Who comes while it is being made, and finds that it came to nothing, makes it too.
        """
        kept = self.find(key)
        if kept is not None:
            return kept
        if (made := self._making.get(key)) is not None:
            await made.wait()
            kept = self.find(key)
            if kept is not None:
                return kept
        return Making(self, key)

    def age(self, kept: Kept) -> int:
        """Whole seconds since it was made."""
        return int(self._now() - kept.since)

    @property
    def size(self) -> int:
        """Bytes that all entries take."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self) -> None:
        """Forgets all, and what is being made of what was read before now."""
        self._kept.clear()
        self._bytes = 0
        self._generation += 1

    def _keep(self, key: Hashable, kept: Kept, generation: int) -> None:
        if generation != self._generation or len(kept.body) > self._most_bytes // PART:
            return
        if (before := self._kept.pop(key, None)) is not None:
            self._bytes -= _size(key, before)
        self._kept[key] = kept
        self._bytes += _size(key, kept)
        while self._bytes > self._most_bytes:  # the first entry was used the longest ago
            self._forget(next(iter(self._kept)))
        if self._sweep is None:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _drop_expired(self) -> None:
        """Drop expired answers that no request has asked for since, and look again while some are left."""
        now, self._sweep = self._now(), None
        for key in [key for key, kept in self._kept.items() if now - kept.since >= self._seconds]:
            self._forget(key)
        if self._kept:
            self._sweep = self._clock.call_later(self._seconds, self._drop_expired)

    def _forget(self, key: Hashable) -> None:
        self._bytes -= _size(key, self._kept.pop(key))


class Making:
    """The time in which one caller makes an answer, and others with the same key wait for it."""

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

    def keep(self, body: bytes, cost: int) -> Kept:
        """The answer was made; it is kept unless what it shows changed meanwhile."""
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        kept = Kept(compact(body), etag, cost, self._since)
        self._cache._keep(self._key, kept, self._generation)
        return kept


def compact(encoded: bytes) -> bytes:
    """Copy bytes that orjson made into memory of their own size.

    orjson does not give back what is left of its buffer: 30 bytes occupy 4 kB, and 5 kB occupy 65.
    """
    return bytes(memoryview(encoded))


def _size(key: Hashable, kept: Kept) -> int:
    parts = key if isinstance(key, tuple) else (key,)
    return OVERHEAD + len(kept.body) + sum(len(p) for p in parts if isinstance(p, str | bytes))
