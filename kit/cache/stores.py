"""Back ends of the cache, by aiocache: this process's memory, bounded, or a Redis that may be away."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from aiocache import RedisCache, SimpleMemoryCache  # type: ignore[import-untyped]  # ships no types
from aiocache.plugins import BasePlugin  # type: ignore[import-untyped]  # ships no types
from aiocache.serializers import BaseSerializer  # type: ignore[import-untyped]  # ships no types
from opentelemetry.trace import SpanKind
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from kit.cache import redis_settings
from kit.net.optional_dependency import OptionalDependency
from kit.telemetry import tracing
from kit.values import exact_json
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# An eSIM's or order's JSON is about 2 kB: some 20 MB when full.
MAX_ENTRIES = 10_000
# Seconds. A Redis slower than this is no help: the provider itself mostly answers sooner.
REDIS_TIMEOUT = 1.0


class ExactJSON(BaseSerializer):  # type: ignore[misc]  # hence of any type
    """Stores entries as JSON, so that nothing read back is ever run as code."""

    DEFAULT_ENCODING = None  # what another program wrote may not be UTF-8

    def dumps(self, value: Any) -> str:
        """Write an entry; Decimals keep their digits."""
        return exact_json.dumps(value)

    def loads(self, value: str | bytes | None) -> Any:
        """Read an entry; what is no JSON counts as missing."""
        try:
            return None if value is None else exact_json.loads(value)
        except ValueError:
            return None


class LeastRecentlyUsed(BasePlugin):  # type: ignore[misc]  # hence of any type
    """Deletes the entries of a cache that were used least recently, beyond `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Least recently used first; may name entries that have expired meanwhile.
        self._used: OrderedDict[str, None] = OrderedDict()

    async def post_get(self, _cache: Any, key: str, *, ret: Any, **_options: Any) -> None:
        if ret is not None:
            self._used.move_to_end(key)

    async def post_set(self, cache: Any, key: str, *_entry: Any, **_options: Any) -> None:
        self._used[key] = None
        self._used.move_to_end(key)
        while len(self._used) > self._most:
            await cache.delete(next(iter(self._used)))

    async def post_delete(self, _cache: Any, key: str, **_options: Any) -> None:
        self._used.pop(key, None)


def memory(max_entries: int) -> SimpleMemoryCache:
    """Return a cache in memory."""
    return SimpleMemoryCache(
        serializer=ExactJSON(),
        plugins=[LeastRecentlyUsed(max_entries)],
        timeout=None,  # each would cost a task
    )


class RedisStore:
    """A cache in Redis that never raises: while Redis is away nothing is found and nothing is stored."""

    def __init__(self, url: str, namespace: str, clock: Clock) -> None:
        try:
            options = dict(parse_url(url))
        except ValueError:
            options = {}
        if "host" not in options:
            raise ValueError(redis_settings.FORM)
        self._redis = RedisCache(
            endpoint=options.pop("host"),
            port=options.pop("port", 6379),
            db=options.pop("db", 0),
            password=options.pop("password", None),
            ssl=options.pop("connection_class", None) is SSLConnection,
            connection_pool_kwargs=options,
            create_connection_timeout=REDIS_TIMEOUT,
            timeout=REDIS_TIMEOUT,
            namespace=namespace,
            serializer=ExactJSON(),
        )
        self._absence = OptionalDependency(
            log,
            "cache: Redis is unavailable",
            "continuing without it",
            "cache: Redis is available again",
            errors=(RedisError, OSError, TimeoutError),
            clock=clock,
        )
        # Deletions that Redis missed; without them it would give the old values when it is back.
        self._owed: set[str] = set()

    async def get(self, name: str) -> Any:
        if name in self._owed:
            await self.delete(name)
            return None
        return await self._run("GET", lambda: self._redis.get(name))

    async def set(self, name: str, entry: Any, ttl: float) -> None:
        """Store an entry for `ttl` seconds, more than 0."""
        done = await self._run("SET", lambda: self._redis.set(name, entry, ttl=float(ttl)))
        if done is not None:
            self._owed.discard(name)

    async def delete(self, name: str) -> None:
        done = await self._run("DEL", lambda: self._redis.delete(name))
        if done is not None:
            self._owed.discard(name)
        elif len(self._owed) < MAX_ENTRIES:
            self._owed.add(name)

    async def close(self) -> None:
        await self._redis.client.aclose()

    async def _run(self, operation: str, command: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a command; None if Redis is away."""

        async def traced() -> Any:
            attributes = {"db.system.name": "redis", "db.operation.name": operation}
            with tracing.child_span(operation, attributes, SpanKind.CLIENT):
                return await command()

        return await self._absence.attempt(traced)
