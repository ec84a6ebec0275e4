"""Token-bucket rate limits per user and per network address, in memory or shared through Redis."""

import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from functools import lru_cache, partial
from typing import cast

from aiohttp import hdrs, web
from redis.asyncio import Redis

from gateway.defence_settings import DefenceSettings
from gateway.documents.work import Share, Work
from gateway.upstream.caller import Caller
from gateway.upstream.code_guesses import CodeGuesses
from kit.auth.sessions import Session
from kit.cache import redis_errors, redis_metrics
from kit.errors import Failure, Kind
from kit.net import client_address
from kit.net.optional_dependency import OptionalDependency
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# Size of a burst, in seconds of the average rate: a page sends many operations when it opens, and then few.
BURST = 10.0
# Size of a burst of coupon codes, in seconds of the average rate: a customer tries a few after one another.
CODES_BURST = 60.0
# Size of a burst of work, in seconds of the average rate.
WORK_BURST = 1.0
# Buckets in memory, some 20 MB; the least recently used is evicted. After ten seconds without use it is empty
# anyway, or after a minute if it counts coupon codes.
MAX_BUCKETS = 100_000
# Seconds. Waiting longer for Redis would slow down every request.
TIMEOUT = 0.25
# A bucket is stored as the time, in milliseconds of Redis's clock, at which it will be empty. The script adds
# one operation to every bucket and returns 0, or adds none and returns the milliseconds to wait. A negative
# step takes an operation back.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local wait, fresh = 0, {}
for i = 1, #KEYS do
    local step, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local empty = math.max(now, tonumber(redis.call('GET', KEYS[i]) or now) or now)
    -- A later time is from before the clock was set back.
    empty = math.min(empty, now + burst) + step
    wait = math.max(wait, empty - now - burst)
    fresh[i] = empty
end
-- A wait of less than 0.01 ms is only a rounding error.
if wait > 0.01 then return tostring(wait) end
for i = 1, #KEYS do
    local left = math.ceil(fresh[i] - now)
    if left > 0 then
        redis.call('SET', KEYS[i], string.format('%.3f', fresh[i]), 'PX', left)
    else
        redis.call('DEL', KEYS[i])
    end
end
return '0'
"""

# Seconds. A shorter wait is only a rounding error.
ROUNDING = 1e-6


class Bucket:
    """A caller's bucket: `rate` operations per second on average, `burst` seconds' worth at once."""

    __slots__ = ("burst", "key", "step")

    def __init__(self, key: str, rate: float, burst: float = BURST) -> None:
        self.key = key
        # `step` is the seconds that one operation adds. A burst always has room for one operation.
        self.step = 1 / rate
        self.burst = max(burst, self.step)


class RateLimits:
    """Counts operations; one instance per process. While Redis is unavailable, memory is used."""

    def __init__(
        self,
        settings: DefenceSettings,
        redis_url: str | None,
        clock: Clock | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._memory = Memory(self._clock)
        # Work is limited per process, because each process has its own core.
        self._work = Memory(self._clock)
        self._redis = (
            Redis.from_url(
                redis_url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                decode_responses=True,
            )
            if redis_url
            else None
        )
        self._absence = OptionalDependency(
            log,
            "rate limits: Redis is unavailable",
            "each process counts separately",
            "rate limits: Redis is available again",
            errors=redis_errors.ERRORS,
            clock=self._clock,
            failures=redis_metrics.failures(),
        )
        self._warned = False

    async def take(self, request: web.Request, session: Session | None = None) -> None:
        """Count an operation of the request's address and of the session's user, if there is one.

        Raises Failure EXHAUSTED with the seconds to wait, without counting, if the rate is exceeded.
        """
        buckets = []
        if self._settings.address_rate:
            buckets.append(_bucket_of(self._address(request), self._settings.address_rate))
        if self._settings.user_rate and session is not None and session.user_id is not None:
            buckets.append(Bucket(f"user:{session.user_id}", self._settings.user_rate))
        wait = await self._wait(buckets) if buckets else 0.0
        if wait > 0:
            seconds = max(0.001, round(wait, 3))
            raise Failure(
                Kind.EXHAUSTED,
                "TOO_MANY_REQUESTS",
                f"Too many requests; try again in {seconds:g} s",
                retry_after=seconds,
            )

    async def counted(self, request: web.Request, verifying: Awaitable[Session]) -> Session:
        """Return the session of a request, and count it; a refused session counts for the address.

        Otherwise tokens and keys could be guessed at full speed. Raises Failure as `take` does.
        """
        try:
            session = await verifying
        except Failure:
            await self.take(request)
            raise
        await self.take(request, session)
        return session

    def client(self, request: web.Request) -> str | None:
        """Return the client address of a request; None for clients behind a proxy that is not configured."""
        forwarded = tuple(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        trusted = self._settings.trusted_proxies
        return client_address.counted(request.remote, forwarded, trusted)

    def address(self, request: web.Request) -> str | None:
        """Return the whole client address of a request; None where `client` returns none."""
        forwarded = tuple(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        trusted = self._settings.trusted_proxies
        return client_address.exact(request.remote, forwarded, trusted)

    def work(self, request: web.Request, session: Session) -> Work:
        """Return the work budget of one operation of this request."""
        rates, buckets = self._settings.work, []
        if rates.address_rate:
            key = f"address:{self._address(request)}"
            buckets.append(Bucket(key, rates.address_rate, WORK_BURST))
        if rates.user_rate and session.user_id is not None:
            buckets.append(Bucket(f"user:{session.user_id}", rates.user_rate, WORK_BURST))
        return Work(Share(self._work, buckets) if buckets else None)

    def code_guesses(self, request: web.Request, session: Session) -> CodeGuesses:
        """Return the limit of the coupon codes that the caller of this request may try."""
        if not self._settings.coupon_rate:
            return CodeGuesses()
        rate = self._settings.coupon_rate / 60

        # Computed only if a code is tried, because every operation gets its limit.
        def address() -> list[Bucket]:
            return [Bucket(f"coupons:address:{self._address(request)}", rate, CODES_BURST)]

        def user() -> list[Bucket]:
            if session.user_id is None:
                return []
            return [Bucket(f"coupons:user:{session.user_id}", rate, CODES_BURST)]

        return CodeGuesses(self._wait, address, user)

    def caller(self, request: web.Request, session: Session) -> Caller:
        """Return the sender of one operation of this request, with the limits that apply to it."""
        return Caller(
            session,
            self.work(request, session),
            self.code_guesses(request, session),
            partial(self.address, request),
            partial(self._key, request, session),
        )

    def _key(self, request: web.Request, session: Session) -> str | None:
        """Return a key for the session's user or, without one, for the client address."""
        if session.user_id is not None:
            return f"user:{session.user_id}"
        address = self.client(request)
        return None if address is None else f"address:{address}"

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    def _address(self, request: web.Request) -> str:
        forwarded = tuple(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        if forwarded and not self._settings.trusted_proxies and not self._warned:
            self._warned = True
            log.warning(
                "rate limits: requests carry X-Forwarded-For, but GATEWAY_TRUSTED_PROXIES is not"
                " set: all clients behind one proxy share its rate limit"
            )
        return client_address.of(request.remote, forwarded, self._settings.trusted_proxies)

    async def _wait(self, buckets: Sequence[Bucket], units: int = 1) -> float:
        """Add operations to every bucket and return 0, or add none and return the seconds to wait.

        A negative number takes operations back.
        """
        shared = None if self._redis is None else await self._shared(self._redis, buckets, units)
        if shared is not None:
            return shared
        if units == 1:
            return self._memory.take(buckets)
        self._memory.add(buckets, units)
        return 0.0

    async def _shared(self, redis: Redis, buckets: Sequence[Bucket], units: int) -> float | None:
        """Return the seconds to wait as Redis counts them; None if it is unavailable."""
        keys = [f"esimgo:gateway:rate:{bucket.key}" for bucket in buckets]
        arguments = [
            f"{n * 1000:.3f}" for bucket in buckets for n in (bucket.step * units, bucket.burst)
        ]

        async def take() -> float:
            answer = await cast("Awaitable[object]", redis.eval(TAKE, len(keys), *keys, *arguments))
            seconds = float(answer) / 1000 if isinstance(answer, str) else math.nan
            if not math.isfinite(seconds):
                raise ValueError("not an answer of the script")
            return seconds

        return await self._absence.attempt(take)


# Few distinct addresses send many requests.
@lru_cache(maxsize=4_096)
def _bucket_of(address: str, rate: float) -> Bucket:
    return Bucket(f"address:{address}", rate)


class Memory:
    """The buckets of this process, by key, least recently used first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._empty: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty)

    def take(self, buckets: Sequence[Bucket]) -> float:
        """Add one operation to every bucket and return 0, or add none and return the seconds to wait."""
        now, wait, fresh = self._clock.now(), 0.0, []
        for bucket in buckets:
            empty = max(now, self._empty.get(bucket.key, now)) + bucket.step
            wait = max(wait, empty - now - bucket.burst)
            fresh.append((bucket, empty))
        if wait > ROUNDING:
            return wait
        for bucket, empty in fresh:
            self._set(bucket, empty)
        return 0.0

    def excess(self, buckets: Sequence[Bucket], own: float) -> float:
        """Return the seconds until every bucket is within its burst, without `own` units of this caller."""
        now, wait = self._clock.now(), 0.0
        for bucket in buckets:
            held = self._empty.get(bucket.key, now) - now - bucket.step * own
            wait = max(wait, held - bucket.burst)
        return wait if wait > ROUNDING else 0.0

    def add(self, buckets: Sequence[Bucket], units: float) -> None:
        """Add units to every bucket, even beyond its burst; a negative number gives units back."""
        now = self._clock.now()
        for bucket in buckets:
            empty = max(now, self._empty.get(bucket.key, now)) + bucket.step * units
            self._set(bucket, max(now, empty))

    def _set(self, bucket: Bucket, empty: float) -> None:
        self._empty[bucket.key] = empty
        self._empty.move_to_end(bucket.key)
        if len(self._empty) > MAX_BUCKETS:
            self._empty.popitem(last=False)
