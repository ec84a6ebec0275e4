"""Fair start of requests: a flood from one client delays the requests of other clients only a little."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

# Requests of one client that start in one iteration of the event loop. In that time a request to be refused
# takes some 0.5 ms, and a useful one reaches its first wait.
AT_ONCE = 2


@dataclass(slots=True)
class _Queue:
    started: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Starts at most two requests of each client per iteration of the event loop, in their order.

    A server starts every request that has arrived in one iteration, so that those of 150 connections would
    all run before another client's request takes its next step.
    """

    def __init__(self) -> None:
        self._queues: dict[str | None, _Queue] = {}

    async def turn(self, client: str | None) -> None:
        """Wait until a request of this client may start; returns immediately if few are starting."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(client)
        if queue is None:
            queue = self._queues[client] = _Queue()
            loop.call_soon(self._next, client, queue)
        if queue.started < AT_ONCE and not queue.waiting:
            queue.started += 1
            return
        waiter = loop.create_future()
        queue.waiting.append(waiter)
        await waiter

    def _next(self, client: str | None, queue: _Queue) -> None:
        queue.started = 0
        while queue.waiting and queue.started < AT_ONCE:
            waiter = queue.waiting.popleft()
            if not waiter.done():  # cancelled, as its connection was lost
                waiter.set_result(None)
                queue.started += 1
        if queue.started:
            asyncio.get_running_loop().call_soon(self._next, client, queue)
        else:
            del self._queues[client]
