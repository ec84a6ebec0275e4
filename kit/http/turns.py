"""Fair start of requests: a flood from one client delays the requests of other clients only a little."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# Requests of one client that start in one iteration of the event loop in any case.
AT_ONCE = 2
# Seconds in one iteration during which further requests of one client start. A request that is refused takes
# some 0.5 ms, a cached answer 0.1 ms, and any other runs until its first await.
SHARE = 0.001


@dataclass(slots=True)
class _Queue:
    began: float
    started: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Starts each client's requests in their order, for a millisecond per iteration of the event loop.

    Without it, a server would start all requests that have arrived in the same iteration. Those of 150
    connections would all run before another client's request takes its next step.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._queues: dict[str | None, _Queue] = {}

    async def turn(self, client: str | None) -> None:
        """Wait until a request of this client may start; returns immediately if few are starting."""
        now = self._now()
        queue = self._queues.get(client)
        if queue is None:
            queue = self._queues[client] = _Queue(now)
            asyncio.get_running_loop().call_soon(self._next, client, queue)
        if not queue.waiting and (queue.started < AT_ONCE or now - queue.began < SHARE):
            queue.started += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        queue.waiting.append(waiter)
        await waiter

    def _next(self, client: str | None, queue: _Queue) -> None:
        # Requests that wait are expected to take as long as those of the last iteration.
        now = self._now()
        count = max(AT_ONCE, int(queue.started * SHARE / max(now - queue.began, 1e-6)))
        queue.began, queue.started = now, 0
        while queue.waiting and queue.started < count:
            waiter = queue.waiting.popleft()
            if not waiter.done():  # cancelled, as its connection was lost
                waiter.set_result(None)
                queue.started += 1
        if queue.started:
            asyncio.get_running_loop().call_soon(self._next, client, queue)
        else:
            del self._queues[client]
