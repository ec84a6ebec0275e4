"""A cache in memory or Redis with one load at a time per key, and stale values while loads fail."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from kit.cache import redis_metrics
from kit.cache.stores import MAX_ENTRIES, RedisStore, memory
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.telemetry import metrics, tracing
from kit.values.clock import Clock
from kit.values.jitter import shortened

log = logging.getLogger(__name__)
episodes = Episodes(log)

T = TypeVar("T")

# Shortens each TTL by up to a tenth, so that values loaded together don't expire together.
JITTER = 0.1
# Failures that are hidden by a stale value. Any other failure (not found, refused) is itself the answer.
TRANSIENT = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.UNCLEAR)


@dataclass(eq=False, slots=True)
class _Flight:
    """A load in flight, whose task the callers await."""

    task: "asyncio.Task[Any]" = field(init=False)
    dropped: bool = False
    waiting: int = 0

    def ended(self, task: "asyncio.Task[Any]") -> None:
        """Log an unexpected error if no caller is left to receive it."""
        error = None if task.cancelled() else task.exception()
        if self.waiting == 0 and error is not None and not isinstance(error, Failure):
            episodes.record(
                "cache: loading fails", "cache: loading failed", level=logging.ERROR, error=error
            )


def _as_is(value: Any) -> Any:
    return value


class Cache:
    """A cache of JSON values, in memory or in Redis.

    Callers that waited for one load share its value, so treat values as read-only.
    While Redis is unavailable, every lookup is a miss.
    """

    def __init__(self, redis: RedisStore | None, clock: Clock, max_entries: int) -> None:
        self._memory = memory(max_entries)
        self._redis = redis
        self._clock = clock
        self._flights: dict[tuple[str, str], _Flight] = {}
        requests = metrics.counter(
            "esimgo_cache_requests", "Cache requests, by kind and outcome", ("kind", "outcome")
        )
        self._requests = cache(requests.labels)
        redis_metrics.failures()  # exported as 0 before the first one, and without Redis

    @classmethod
    def open(
        cls,
        redis_url: str | None,
        *,
        namespace: str,
        clock: Clock | None = None,
        max_entries: int = MAX_ENTRIES,
    ) -> "Cache":
        """Return a cache with its own namespace; raises ValueError if `redis_url` is invalid.

        Connects at the first use. `max_entries` limits the entries in memory.
        """
        clock = clock or Clock()
        redis = RedisStore(redis_url, namespace, clock) if redis_url else None
        return cls(redis, clock, max_entries)

    async def close(self) -> None:
        """Cancel the loads in flight, then close the connections."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._memory.clear()
        if self._redis is not None:
            await self._redis.close()

    async def get_or_load(
        self,
        kind: str,
        key: str,
        ttl: float,
        load: Callable[[], Awaitable[T]],
        *,
        stale: float = 0.0,
        dump: Callable[[T], Any] = _as_is,
        parse: Callable[[Any], T] = _as_is,
        secret: bool = False,
    ) -> T:
        """Return the cached value, or the result of `load`. Concurrent callers share one load.

        `key` must include everything that the value depends on, such as the customer. `ttl` and `stale`
        are in seconds: for `stale` seconds after expiry, the old value is returned if `load` raises a
        transient Failure (UNAVAILABLE, EXHAUSTED, UNCLEAR). `dump` converts the value to JSON types
        (including Decimal), `parse` converts it back. A `secret` value is never stored in Redis, where
        other readers could use it to install a customer's eSIM.
        A cancelled caller does not cancel the load, and a caller whose shared load fails tries its own.
        """
        store = self._memory if secret or self._redis is None else self._redis
        full_key = (kind, key)
        # While a load is in flight there is no fresh value.
        cached = (
            None
            if full_key in self._flights
            else self._read(await store.get(_name(full_key)), parse)
        )
        if cached is not None and self._seconds() < cached.fresh_until:
            self._count(kind, "hit")
            return cached.value
        self._count(kind, "miss")
        followed = False
        while True:
            flight = self._flights.get(full_key)
            mine = flight is None
            if flight is None:
                flight = self._flights[full_key] = _Flight()
                recipe = _Recipe(full_key, store, ttl, stale, load, dump)
                flight.task = asyncio.create_task(self._load(flight, recipe, cached))
                flight.task.add_done_callback(flight.ended)
            flight.waiting += 1
            try:
                # Cancelling the caller leaves the load running.
                value: T = await asyncio.shield(flight.task)
            except asyncio.CancelledError:
                flight.waiting -= 1
                raise
            except Exception:
                if mine or followed:
                    raise
                followed = True  # that load may have had a shorter deadline
            else:
                return value

    async def drop(self, kind: str, key: str) -> None:
        """Delete a value, and don't store the result of a load in flight.

        Other processes may still serve the value from their memory or a load in flight, until its TTL.
        """
        full_key = (kind, key)
        flight = self._flights.pop(full_key, None)
        if flight is not None:
            flight.dropped = True
        for store in (self._memory, self._redis):
            if store is not None:
                await store.delete(_name(full_key))

    async def _load(self, flight: "_Flight", recipe: "_Recipe[T]", cached: "_Entry[T] | None") -> T:
        kind, _ = recipe.full_key
        with tracing.child_span(f"load {kind}", {"esimgo.cache.kind": kind}):
            try:
                value = await recipe.load()
            except Exception as error:
                self._count(kind, "error")
                transient = isinstance(error, Failure) and error.kind in TRANSIENT
                if not transient or cached is None or flight.dropped:
                    raise
                if self._seconds() >= cached.fresh_until + recipe.stale:
                    raise
                self._count(kind, "stale")
                episodes.record(
                    f"cache: stale values of {kind} are served",
                    "cache: the stale value of %s is served, because loading failed: %s",
                    kind,
                    error,
                )
                return cached.value
            else:
                if recipe.ttl > 0 and not flight.dropped:
                    await self._store(flight, recipe, value)
                return value
            finally:
                if self._flights.get(recipe.full_key) is flight:
                    del self._flights[recipe.full_key]

    async def _store(self, flight: "_Flight", recipe: "_Recipe[T]", value: T) -> None:
        seconds = shortened(recipe.ttl, JITTER)
        fresh_until = self._seconds() + seconds
        entry = {"fresh_until": round(fresh_until * 1000), "value": recipe.dump(value)}
        await recipe.store.set(_name(recipe.full_key), entry, ttl=seconds + recipe.stale)
        if flight.dropped:  # during the write
            await recipe.store.delete(_name(recipe.full_key))

    def _read(self, entry: Any, parse: Callable[[Any], T]) -> "_Entry[T] | None":
        if entry is None:
            return None
        try:
            return _Entry(parse(entry["value"]), entry["fresh_until"] / 1000)
        except Exception as error:  # noqa: BLE001 - another version may have written anything
            name = type(error).__name__
            episodes.record(
                "cache: entries can't be decoded", "cache: an entry can't be decoded: %s", name
            )
            return None

    def _seconds(self) -> float:
        """Return wall-clock time, because machines share the entries in Redis."""
        return self._clock.wall().timestamp()

    def _count(self, kind: str, outcome: Literal["hit", "miss", "stale", "error"]) -> None:
        self._requests(kind, outcome).inc()
        tracing.add_event(f"cache {outcome}", {"esimgo.cache.kind": kind})


@dataclass(frozen=True, slots=True)
class _Recipe(Generic[T]):
    """How one value is loaded and stored."""

    full_key: tuple[str, str]
    store: Any  # aiocache's untyped memory cache or a RedisStore
    ttl: float
    stale: float
    load: Callable[[], Awaitable[T]]
    dump: Callable[[T], Any]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """A cached value, fresh or stale. `fresh_until` is in seconds of wall-clock time."""

    value: T
    fresh_until: float


def _name(full_key: tuple[str, str]) -> str:
    return ":".join(full_key)
