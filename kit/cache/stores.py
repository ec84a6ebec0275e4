"""Back ends of the cache, based on aiocache: bounded memory, and a Redis that may be unavailable."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from aiocache import RedisCache, SimpleMemoryCache
from aiocache.plugins import BasePlugin
from aiocache.serializers import BaseSerializer
from opentelemetry.trace import SpanKind
from redis.asyncio.connection import SSLConnection, parse_url

from kit.cache import redis_errors, redis_metrics, redis_settings
from kit.net.optional_dependency import OptionalDependency
from kit.telemetry import tracing
from kit.values import exact_json
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# About 20 MB when full: the JSON of an eSIM or order has about 2 kB.
MAX_ENTRIES = 10_000
# Seconds. The provider itself usually responds faster than this.
REDIS_TIMEOUT = 1.0


class ExactJSON(BaseSerializer):  # type: ignore[misc]  # its base is untyped
    """Stores entries as JSON, so that reading them never executes code."""

    DEFAULT_ENCODING = None  # entries of other programs may not be UTF-8

    def dumps(self, value: Any) -> str:
        """Encode an entry; Decimals keep their digits."""
        return exact_json.dumps(value)

    def loads(self, value: Any) -> Any:
        """Decode an entry; return None if it isn't JSON."""
        try:
            return exact_json.loads(value) if isinstance(value, str | bytes) else None
        except ValueError:
            return None


class LeastRecentlyUsed(BasePlugin):  # type: ignore[misc]  # its base is untyped
    """Evicts the least recently used entries of a cache beyond `max_entries`."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        # Least recently used first; may contain expired entries.
        self._used: OrderedDict[str, None] = OrderedDict()

    async def post_get(self, _cache: Any, key: str, *, ret: Any, **_options: Any) -> None:
        if ret is not None:
            self._used.move_to_end(key)

    async def post_set(self, cache: Any, key: str, *_entry: Any, **_options: Any) -> None:
        self._used[key] = None
        self._used.move_to_end(key)
        while len(self._used) > self._max_entries:
            await cache.delete(next(iter(self._used)))

    async def post_delete(self, _cache: Any, key: str, **_options: Any) -> None:
        self._used.pop(key, None)


def memory(max_entries: int) -> SimpleMemoryCache:
    """Return a memory cache that evicts the least recently used entries."""
    return SimpleMemoryCache(
        serializer=ExactJSON(),
        plugins=[LeastRecentlyUsed(max_entries)],
        timeout=None,  # a timeout would cost a task per call
    )


class RedisStore:
    """A cache in Redis that never raises: while Redis is unavailable, it finds and stores nothing."""

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
        self._access = OptionalDependency(
            log,
            "cache: Redis is unavailable",
            "continuing without it",
            "cache: Redis is available again",
            errors=redis_errors.ERRORS,
            clock=clock,
            failures=redis_metrics.failures(),
        )
        # Deletions to repeat when Redis is available again, before it serves the old values.
        self._pending_deletions: set[str] = set()

    async def get(self, name: str) -> Any:
        if name in self._pending_deletions:
            await self.delete(name)
            return None
        return await self._run("GET", lambda: self._redis.get(name))

    async def set(self, name: str, entry: Any, ttl: float) -> None:
        """Store an entry for `ttl` seconds, more than 0."""
        done = await self._run("SET", lambda: self._redis.set(name, entry, ttl=float(ttl)))
        if done is not None:
            self._pending_deletions.discard(name)

    async def delete(self, name: str) -> None:
        done = await self._run("DEL", lambda: self._redis.delete(name))
        if done is not None:
            self._pending_deletions.discard(name)
        elif len(self._pending_deletions) < MAX_ENTRIES:
            self._pending_deletions.add(name)

    async def close(self) -> None:
        await self._redis.client.aclose()

    async def _run(self, operation: str, command: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a command; None if Redis is unavailable."""

        async def traced() -> Any:
            attributes = {"db.system.name": "redis", "db.operation.name": operation}
            with tracing.child_span(operation, attributes, SpanKind.CLIENT):
                return await command()

        return await self._access.attempt(traced)
