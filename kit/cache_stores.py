"""Where the cache keeps its text: this process's memory, bounded, or a Redis that may be away."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiocache import RedisCache, SimpleMemoryCache  # type: ignore[import-untyped]  # ships no types
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]  # ships no types
from opentelemetry.trace import SpanKind
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from kit import redis_settings, tracing
from kit.clock import Clock
from kit.log_episodes import Episodes

log = logging.getLogger(__name__)

# An eSIM's or order's JSON is about 2 kB: some 20 MB when full.
MAX_ENTRIES = 10_000
# Seconds. A Redis slower than this is no help: the provider itself mostly answers sooner.
REDIS_TIMEOUT = 1.0
# Seconds without asking a Redis that failed, so that its absence doesn't slow every call down.
REDIS_PAUSE = 5.0
AWAY = "cache: Redis is unavailable"


class MemoryStore:
    """Keeps the `max_entries` entries that were used last."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._entries = SimpleMemoryCache(timeout=None)  # a timeout would cost a task for each look
        self._max_entries = max_entries
        # Least recently used first; may name entries that have expired meanwhile.
        self._used: OrderedDict[str, None] = OrderedDict()

    async def get(self, name: str) -> str | None:
        text: str | None = await self._entries.get(name)
        if text is not None:
            self._used.move_to_end(name)
        return text

    async def set(self, name: str, text: str, seconds: float) -> None:
        """Keeps the text for so many seconds, more than 0."""
        self._used[name] = None
        self._used.move_to_end(name)
        await self._entries.set(name, text, ttl=seconds)
        while len(self._used) > self._max_entries:
            oldest, _ = self._used.popitem(last=False)
            await self._entries.delete(oldest)

    async def delete(self, name: str) -> None:
        self._used.pop(name, None)
        await self._entries.delete(name)

    async def close(self) -> None:
        await self._entries.clear()
        self._used.clear()


class RedisStore:
    """Never raises: a Redis that is away has nothing and keeps nothing, and is logged once."""

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
            serializer=NullSerializer(),
        )
        self._clock = clock
        self._away_until: float | None = None
        self._episodes = Episodes(log)
        # Deletions that Redis missed; without them it would give the old values when it is back.
        self._owed: set[str] = set()

    async def get(self, name: str) -> str | None:
        if name in self._owed:
            await self.delete(name)
            return None
        done, text = await self._try("GET", lambda: self._redis.get(name))
        return text if done and isinstance(text, str) else None

    async def set(self, name: str, text: str, seconds: float) -> None:
        """Keeps the text for so many seconds, more than 0."""
        done, _ = await self._try("SET", lambda: self._redis.set(name, text, ttl=float(seconds)))
        if done:
            self._owed.discard(name)

    async def delete(self, name: str) -> None:
        done, _ = await self._try("DEL", lambda: self._redis.delete(name))
        if done:
            self._owed.discard(name)
        elif len(self._owed) < MAX_ENTRIES:
            self._owed.add(name)

    async def close(self) -> None:
        await self._redis.client.aclose()

    async def _try(
        self, name: str, command: Callable[[], Awaitable[object]]
    ) -> tuple[bool, object]:
        """Whether the command was carried out, and its result."""
        if self._away_until is not None and self._clock.now() < self._away_until:
            return False, None
        try:
            told = {"db.system.name": "redis", "db.operation.name": name}
            with tracing.part(name, told, SpanKind.CLIENT):
                result = await command()
        except UnicodeDecodeError:
            return True, None  # something that isn't ours stands under the name
        except (RedisError, OSError, TimeoutError) as error:
            name = type(error).__name__
            self._episodes.met(
                AWAY, "cache: Redis is unavailable (%s); continuing without it", name, lasting=True
            )
            self._away_until = self._clock.now() + REDIS_PAUSE
            return False, None
        self._away_until = None
        self._episodes.over(AWAY, "cache: Redis is available again")
        return True, result
