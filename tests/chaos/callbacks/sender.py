"""Posts callbacks at a steady rate, as the provider does, until each one is acknowledged."""

import asyncio
import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.chaos.callbacks.events import Callback

# Seconds until a request is given up; the provider's timeout isn't known.
TIMEOUT = aiohttp.ClientTimeout(total=10)
# Random seconds between two attempts: a killed process restarts in two or three, and faster retries would
# take the CPU from it.
RETRY_PAUSES = (0.2, 0.8)


@dataclass(slots=True)
class Sent:
    """How often one body was posted, and how often the response was 2xx; `first` is set by the first one."""

    attempts: int = 0
    acknowledged: int = 0
    first: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class CallbackSender:
    """The webhook address, the key, and statistics of everything posted to it.

    `latencies` are the seconds of each acknowledged post; `statuses` count the other responses. `on_response`
    is called with each response and its duration in seconds.
    """

    url: str
    key: str
    http: aiohttp.ClientSession
    sent: dict[bytes, Sent] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    on_response: Callable[[str, float], None] = lambda outcome, seconds: None

    async def post(self, body: bytes) -> bool:
        """Post the body once; True if the response was 2xx."""
        count = self.sent.setdefault(body, Sent())
        signature = hmac.digest(self.key.encode(), body, hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-Signature-SHA256": base64.b64encode(signature).decode(),
        }
        count.attempts += 1
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with self.http.post(
                self.url, data=body, headers=headers, timeout=TIMEOUT
            ) as response:
                status = response.status
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count(type(error).__name__)
            self.on_response(type(error).__name__, clock() - started)
            return False
        self.on_response(str(status), clock() - started)
        if not 200 <= status < 300:
            self._count(str(status))
            return False
        self.latencies.append(clock() - started)
        count.acknowledged += 1
        count.first.set()
        return True

    async def until_acknowledged(self, body: bytes, rng: random.Random) -> None:
        """Post it until it is acknowledged; attempts without a response may have been stored."""
        while not await self.post(body):
            await asyncio.sleep(rng.uniform(*RETRY_PAUSES))

    def _count(self, outcome: str) -> None:
        self.statuses[outcome] = self.statuses.get(outcome, 0) + 1


async def send(
    sender: CallbackSender,
    callbacks: Sequence[Callback],
    *,
    rate: float,
    seed: int,
    progress: Callable[[int], None] = lambda sent: None,
) -> None:
    """Start `rate` callbacks a second in this order, and return when all are acknowledged.

    A callback with a predecessor waits until that was acknowledged.
    """
    rng = random.Random(seed)
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def deliver(callback: Callback) -> None:
        if callback.after is not None:
            await sender.sent.setdefault(callback.after, Sent()).first.wait()
        await sender.until_acknowledged(callback.body, rng)

    async with asyncio.TaskGroup() as group:
        for number, callback in enumerate(callbacks):
            if (early := begun + number / rate - clock()) > 0:
                await asyncio.sleep(early)
            group.create_task(deliver(callback))
            progress(number + 1)
