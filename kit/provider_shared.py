"""The provider's tokens counted in Redis, so that all processes behind one address share them."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Self, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import Clock
from kit.provider_pacing import Priority, too_late

log = logging.getLogger(__name__)

KEY = "esimgo:provider:tokens"
# Milliseconds. The provider's window is a second; the rest is for the way there, as requests that
# leave a second apart may arrive closer together.
WINDOW = 1_050
# Seconds. A Redis slower than this holds purchases up for less than it is worth.
TIMEOUT = 0.5
# Seconds without asking a Redis that failed: each process paces by the provider's headers then.
AWAY = 5.0
# Of the limit, what each may fill up: the rest stays free for those who go first.
SHARES = {Priority.WRITE: 1.0, Priority.READ: 0.8, Priority.SYNC: 0.5}
# Takes the tokens and gives 0, or gives the milliseconds until enough of the window is over.
# By Redis's own clock, and for every window there is, wherever the provider's begins.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, cap, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local taken = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local used = 0
for i = 1, #taken, 2 do used = used + tonumber(string.match(taken[i], '^%d+')) end
if used == 0 or used + cost <= cap then
    redis.call('ZADD', KEYS[1], now, cost .. ':' .. ARGV[4])
    redis.call('PEXPIRE', KEYS[1], window)
    return 0
end
for i = 1, #taken, 2 do
    used = used - tonumber(string.match(taken[i], '^%d+'))
    if used == 0 or used + cost <= cap then return taken[i + 1] + window - now + 1 end
end
return window
"""


class SharedTokens:
    """Never raises for Redis's sake: while it is away nothing is shared, which is logged once.

    `timeout` is for Redis, in seconds; `window` in milliseconds.
    """

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        *,
        timeout: float = TIMEOUT,
        window: int = WINDOW,
    ) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True
        )
        self._window = window
        self._clock = clock or Clock()
        self._away_until: float | None = None

    @classmethod
    def open(cls, url: str | None, stack: AsyncExitStack) -> Self | None:
        """With an address, closed with the stack; without one there is nothing to share."""
        if url is None:
            return None
        tokens = cls(url)
        stack.push_async_callback(tokens.close)
        return tokens

    async def take(self, cost: int, limit: int, priority: Priority, deadline: float) -> None:
        """Waits until so many tokens are free, by the clock's `now`, and takes them.

        Raises Failure EXHAUSTED when that is after the deadline.
        """
        cap = max(1, int(limit * SHARES[priority]))
        while True:
            pause = await self._ask(min(cost, cap), cap)
            if pause <= 0:
                return
            if self._clock.now() + pause >= deadline:
                raise too_late(pause)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, cost: int, cap: int) -> float:
        """Seconds to wait; 0 when the tokens are taken, or when nobody can count them."""
        if self._away_until is not None and self._clock.now() < self._away_until:
            return 0
        try:
            asked = self._redis.eval(
                TAKE, 1, KEY, str(self._window), str(cap), str(cost), secrets.token_hex(8)
            )
            answer = await cast("Awaitable[str]", asked)
        except (RedisError, OSError, TimeoutError) as error:
            if self._away_until is None:
                log.warning(
                    "provider pacing: Redis is away (%s); each process paces itself",
                    type(error).__name__,
                )
            self._away_until = self._clock.now() + AWAY
            return 0
        if self._away_until is not None:
            self._away_until = None
            log.warning("provider pacing: Redis is back")
        return float(answer) / 1000
