"""A cache of values that can be loaded again: single flight, stale values while a load fails.

In memory, or in Redis when an address is given. What the services keep, and for how long:
the catalogue 3600 s, orders and eSIMs 300 s, install details and QR codes 86400 s (as secrets).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from kit.cache.stores import MAX_ENTRIES, RedisStore, memory
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.telemetry import metrics, tracing
from kit.values.clock import Clock

log = logging.getLogger(__name__)
episodes = Episodes(log)

T = TypeVar("T")

# Values loaded together don't expire together: each lives up to a tenth shorter than its TTL,
# never longer.
JITTER = 0.1
# Failures that another try later may not meet; an answer of the owner (a refusal, not found) is
# news, and an old value would hide it.
PASSING = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.UNCLEAR)


@dataclass(eq=False, slots=True)
class _Flight:
    """One load on its way; callers wait for the task."""

    task: "asyncio.Task[Any]" = field(init=False)
    dropped: bool = False
    waiting: int = 0

    def ended(self, task: "asyncio.Task[Any]") -> None:
        """Takes note of a failure that no caller hears, as all have gone away."""
        error = None if task.cancelled() else task.exception()
        if self.waiting == 0 and error is not None and not isinstance(error, Failure):
            episodes.record(
                "cache: loading fails", "cache: loading failed", level=logging.ERROR, error=error
            )


def _as_is(value: Any) -> Any:
    return value


class Cache:
    """A cache in memory or in Redis, of values that JSON can hold.

    Values may be shared between callers that waited for one load: treat them as read-only.
    Redis being away is a miss, not an error.
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

    @classmethod
    def open(
        cls,
        redis_url: str | None,
        *,
        namespace: str,
        clock: Clock | None = None,
        max_entries: int = MAX_ENTRIES,
    ) -> "Cache":
        """Return a cache with its own namespace; raises ValueError for an address that isn't Redis's.

        Connects at the first use. `max_entries` bounds what is held in memory.
        """
        clock = clock or Clock()
        redis = RedisStore(redis_url, namespace, clock) if redis_url else None
        return cls(redis, clock, max_entries)

    async def close(self) -> None:
        """Gives up loads on their way, then closes the connections."""
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
        """The kept value, or else what `load` gives; one load at a time for all who ask.

        `key` names all that the value depends on, the customer too where customers see different
        ones. `ttl` and `stale` are in seconds; for `stale` seconds after its expiry the old value is
        given when `load` raises a Failure that may pass (UNAVAILABLE, EXHAUSTED, UNCLEAR).
        `dump` turns the value into what JSON can say (Decimals too), `parse` back. A `secret`
        stays in this process's memory even when there is a Redis: whoever reads the Redis must
        not be able to install a customer's eSIM.
        A caller that goes away doesn't end the load for others, and one whose own `load` fails
        doesn't fail others before they have tried theirs.
        """
        store = self._memory if secret or self._redis is None else self._redis
        place = (kind, key)
        # Nothing fresh is there while a load is on its way.
        kept = None if place in self._flights else self._read(await store.get(_name(place)), parse)
        if kept is not None and self._seconds() < kept.fresh_until:
            self._count(kind, "hit")
            return kept.value
        self._count(kind, "miss")
        followed = False
        while True:
            flight = self._flights.get(place)
            mine = flight is None
            if flight is None:
                flight = self._flights[place] = _Flight()
                recipe = _Recipe(place, store, ttl, stale, load, dump)
                flight.task = asyncio.create_task(self._load(flight, recipe, kept))
                flight.task.add_done_callback(flight.ended)
            flight.waiting += 1
            try:
                # The load is a task of its own: a caller that is cancelled leaves it running.
                value: T = await asyncio.shield(flight.task)
            except asyncio.CancelledError:
                flight.waiting -= 1
                raise
            except Exception:
                if mine or followed:
                    raise
                followed = True  # that load may have been in more of a hurry than ours
            else:
                return value

    async def drop(self, kind: str, key: str) -> None:
        """Forgets a value, so that the next call loads it; a load on its way isn't kept.

        Other processes' memories, and their loads on the way, are beyond reach: there the value
        lives for its TTL at most.
        """
        place = (kind, key)
        flight = self._flights.pop(place, None)
        if flight is not None:
            flight.dropped = True
        for store in (self._memory, self._redis):
            if store is not None:
                await store.delete(_name(place))

    async def _load(self, flight: "_Flight", recipe: "_Recipe[T]", kept: "_Kept[T] | None") -> T:
        kind, _ = recipe.place
        with tracing.child_span(f"load {kind}", {"esimgo.cache.kind": kind}):
            return await self._loaded(flight, recipe, kept)

    async def _loaded(self, flight: "_Flight", recipe: "_Recipe[T]", kept: "_Kept[T] | None") -> T:
        kind, _ = recipe.place
        try:
            value = await recipe.load()
        except Exception as error:
            self._count(kind, "error")
            passing = isinstance(error, Failure) and error.kind in PASSING
            if not passing or kept is None or flight.dropped:
                raise
            if self._seconds() >= kept.fresh_until + recipe.stale:
                raise
            self._count(kind, "stale")
            episodes.record(
                f"cache: stale values of {kind} are served",
                "cache: the stale value of %s is served, because loading failed: %s",
                kind,
                error,
            )
            return kept.value
        else:
            if recipe.ttl > 0 and not flight.dropped:
                await self._keep(flight, recipe, value)
            return value
        finally:
            if self._flights.get(recipe.place) is flight:
                del self._flights[recipe.place]

    async def _keep(self, flight: "_Flight", recipe: "_Recipe[T]", value: T) -> None:
        # Chance spreads load here; nothing depends on its being unguessable.
        seconds = recipe.ttl * (1 - random.uniform(0, JITTER))  # noqa: S311 - no secret
        fresh_until = self._seconds() + seconds
        entry = {"fresh_until": round(fresh_until * 1000), "value": recipe.dump(value)}
        await recipe.store.set(_name(recipe.place), entry, ttl=seconds + recipe.stale)
        if flight.dropped:  # while it was being written
            await recipe.store.delete(_name(recipe.place))

    def _read(self, entry: Any, parse: Callable[[Any], T]) -> "_Kept[T] | None":
        if entry is None:
            return None
        try:
            return _Kept(parse(entry["value"]), entry["fresh_until"] / 1000)
        except Exception as error:  # noqa: BLE001 - what another version wrote may be anything
            name = type(error).__name__
            episodes.record(
                "cache: entries can't be decoded", "cache: an entry can't be decoded: %s", name
            )
            return None

    def _seconds(self) -> float:
        """Wall time, as entries in Redis are shared between machines."""
        return self._clock.wall().timestamp()

    def _count(self, kind: str, outcome: Literal["hit", "miss", "stale", "error"]) -> None:
        self._requests(kind, outcome).inc()
        tracing.add_event(f"cache {outcome}", {"esimgo.cache.kind": kind})


@dataclass(frozen=True, slots=True)
class _Recipe(Generic[T]):
    """How one value is loaded and kept."""

    place: tuple[str, str]
    store: Any  # aiocache's in memory, which has no types, or a RedisStore
    ttl: float
    stale: float
    load: Callable[[], Awaitable[T]]
    dump: Callable[[T], Any]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    """A value from the store, perhaps expired; `fresh_until` is in seconds of wall time."""

    value: T
    fresh_until: float


def _name(place: tuple[str, str]) -> str:
    return ":".join(place)
