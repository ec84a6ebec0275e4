"""How often each user and each address may ask: counted in memory, or in Redis for all processes."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import cast

from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.defence_settings import DefenceSettings
from gateway.documents.work import Share, Work
from kit.auth.sessions import Session
from kit.errors import Failure, Kind
from kit.net import client_address
from kit.net.optional_dependency import OptionalDependency
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# Seconds. What somebody may send at once is what they may send in so long: a page that opens asks
# for much, and then its reader reads.
BURST = 10.0
# Seconds' worth of work that may be ordered at once.
AT_ONCE = 1.0
# Users and addresses that are remembered, those that asked last: some 20 MB. Who is forgotten begins
# anew, as does everybody after ten quiet seconds.
REMEMBERED = 100_000
# Seconds. A Redis slower than this would slow every request down.
TIMEOUT = 0.25
# A bucket is the moment, in milliseconds, at which it would be empty again. By Redis's own clock.
# Takes one from every bucket and gives 0; or takes none, and gives the milliseconds to wait.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local wait, fresh = 0, {}
for i = 1, #KEYS do
    local step, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local empty = math.max(now, tonumber(redis.call('GET', KEYS[i]) or now) or now) + step
    wait = math.max(wait, empty - now - burst)
    fresh[i] = empty
end
-- Sums of steps are off by less than a hundredth, which is nobody's turn.
if wait > 0.01 then return tostring(wait) end
for i = 1, #KEYS do
    local left = math.ceil(fresh[i] - now)
    redis.call('SET', KEYS[i], string.format('%.3f', fresh[i]), 'PX', left)
end
return '0'
"""


class Bucket:
    """One caller's: so many operations a second on average, BURST seconds' worth at once."""

    __slots__ = ("burst", "key", "step")

    def __init__(self, key: str, rate: float, burst: float = BURST) -> None:
        self.key = key
        # Seconds that one operation adds, and that may be added in advance: enough for one always.
        self.step = 1 / rate
        self.burst = max(burst, self.step)


class RateLimits:
    """Counts operations; one object a process. Redis being away refuses nobody."""

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
        # Counted by each process for itself, as each has its own core to lose.
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
            errors=(RedisError, OSError, TimeoutError),
            clock=self._clock,
        )
        self._told = False

    async def take(self, request: web.Request, session: Session | None = None) -> None:
        """Counts an operation of the request's address and, where there is one, of the user.

        Raises Failure EXHAUSTED, with the seconds to wait, and counts nothing then.
        """
        buckets = []
        if self._settings.address_rate:
            forwarded = request.headers.getall("X-Forwarded-For", ())
            buckets.append(self._bucket_of(request.remote, tuple(forwarded)))
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

    def client(self, request: web.Request) -> str | None:
        """Return the address that a request counts for; None for a proxy's that stands for many."""
        forwarded = tuple(request.headers.getall("X-Forwarded-For", ()))
        trusted = self._settings.trusted_proxies
        return client_address.counted(request.remote, forwarded, trusted)

    def work(self, request: web.Request, session: Session) -> Work:
        """Return what an operation of this request may still order here."""
        rates, buckets = self._settings.work, []
        if rates.address_rate:
            forwarded = tuple(request.headers.getall("X-Forwarded-For", ()))
            address = self._address(request.remote, forwarded)
            buckets.append(Bucket(f"address:{address}", rates.address_rate, AT_ONCE))
        if rates.user_rate and session.user_id is not None:
            buckets.append(Bucket(f"user:{session.user_id}", rates.user_rate, AT_ONCE))
        return Work(Share(self._work, buckets) if buckets else None)

    def caller(self, request: web.Request, session: Session) -> str | None:
        """Name the user of a session, or else the address that its request counts for."""
        if session.user_id is not None:
            return f"user:{session.user_id}"
        address = self.client(request)
        return None if address is None else f"address:{address}"

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    def _bucket_of(self, peer: str | None, forwarded: tuple[str, ...]) -> Bucket:
        return Bucket(f"address:{self._address(peer, forwarded)}", self._settings.address_rate)

    def _address(self, peer: str | None, forwarded: tuple[str, ...]) -> str:
        if forwarded and not self._settings.trusted_proxies and not self._told:
            self._told = True
            log.warning(
                "rate limits: requests carry X-Forwarded-For, but GATEWAY_TRUSTED_PROXIES is not"
                " set: all clients behind one proxy share its rate limit"
            )
        return client_address.of(peer, forwarded, self._settings.trusted_proxies)

    async def _wait(self, buckets: Sequence[Bucket]) -> float:
        shared = None if self._redis is None else await self._shared(self._redis, buckets)
        return self._memory.take(buckets) if shared is None else shared

    async def _shared(self, redis: Redis, buckets: Sequence[Bucket]) -> float | None:
        """Return the seconds to wait as Redis counts them; None if it is unavailable."""
        keys = [f"esimgo:gateway:rate:{bucket.key}" for bucket in buckets]
        arguments = [f"{n * 1000:.3f}" for bucket in buckets for n in (bucket.step, bucket.burst)]
        milliseconds = await self._absence.attempt(
            lambda: cast("Awaitable[str]", redis.eval(TAKE, len(keys), *keys, *arguments))
        )
        return None if milliseconds is None else float(milliseconds) / 1000


class Memory:
    """The same in this process: buckets by key, the one that was used last at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._empty: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty)

    def take(self, buckets: Sequence[Bucket]) -> float:
        """Seconds to wait; 0 when one was taken from each."""
        now, wait, fresh = self._clock.now(), 0.0, []
        for bucket in buckets:
            empty = max(now, self._empty.get(bucket.key, now)) + bucket.step
            wait = max(wait, empty - now - bucket.burst)
            fresh.append(empty)
        # Sums of steps are off by less than a microsecond, which is nobody's turn.
        if wait > 1e-6:
            return wait
        for bucket, empty in zip(buckets, fresh, strict=True):
            self._set(bucket, empty)
        return 0.0

    def excess(self, buckets: Sequence[Bucket], beside: float) -> float:
        """Seconds until each holds no more than its burst, `beside` so many units; 0 when that is so now."""
        now, wait = self._clock.now(), 0.0
        for bucket in buckets:
            held = self._empty.get(bucket.key, now) - now - bucket.step * beside
            wait = max(wait, held - bucket.burst)
        # Sums of steps are off by less than a microsecond.
        return wait if wait > 1e-6 else 0.0

    def add(self, buckets: Sequence[Bucket], units: float) -> None:
        """Add to each, beyond its burst too; a negative number takes out what was too much."""
        now = self._clock.now()
        for bucket in buckets:
            empty = max(now, self._empty.get(bucket.key, now)) + bucket.step * units
            self._set(bucket, max(now, empty))

    def _set(self, bucket: Bucket, empty: float) -> None:
        self._empty[bucket.key] = empty
        self._empty.move_to_end(bucket.key)
        if len(self._empty) > REMEMBERED:
            self._empty.popitem(last=False)
