"""Watches a service's stream for one subscription, and reconnects when the stream ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Generic, TypeVar

from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.values.jitter import shortened

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

Message = TypeVar("Message")
Item = TypeVar("Item")

# Seconds between attempts to reconnect; a restart takes a few.
FIRST_PAUSE = 0.1
MAX_PAUSE = 5.0
# Seconds that a new subscription waits for an unavailable service, as a query would.
CONNECT_TIMEOUT = 10.0
# Failures worth a retry. An internal error of the service, which has a fault id, would only recur.
TRANSIENT = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE})


class _Inbox(Generic[Item]):
    """Items received and not yet consumed, the latest version of each only, so that it stays bounded."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.received_any = False
        self._known: dict[str, Item] = {}
        self._waiting: dict[str, Item] | None = None

    def put(self, items: Iterable[tuple[str, Item]]) -> None:
        """Add the items that changed; the first message counts even if it contains none."""
        changed = {key: item for key, item in items if self._known.get(key) != item}
        if changed or not self.received_any:
            self.received_any = True
            self._known |= changed
            self._waiting = (self._waiting or {}) | changed
            self.ready.set()

    def take(self) -> list[Item] | None:
        """Return and remove the waiting items; None if nothing was added since."""
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else [*waiting.values()]


async def watch(
    open_stream: Callable[[], AsyncGenerator[Message, None]],
    items: Callable[[Message], Iterable[tuple[str, Item]]],
) -> AsyncGenerator[list[Item], None]:
    """Yield all items first, and then those that changed; `items` returns the items of a message by key.

    A slow consumer gets the latest version of each item, without the intermediate ones. When the stream ends,
    the service is called again, and only items that changed meanwhile are yielded. Raises Failure if a retry
    is useless, or if the service can't be reached at the beginning.
    """
    inbox: _Inbox[Item] = _Inbox()
    reading = asyncio.create_task(_read(open_stream, items, inbox))
    reading.add_done_callback(lambda _: inbox.ready.set())
    try:
        while True:
            await inbox.ready.wait()
            inbox.ready.clear()
            while (changed := inbox.take()) is not None:
                yield changed
            if reading.done():
                reading.result()
                return
    finally:
        reading.cancel()
        await asyncio.wait({reading})


async def _read(
    open_stream: Callable[[], AsyncGenerator[Message, None]],
    items: Callable[[Message], Iterable[tuple[str, Item]]],
    inbox: _Inbox[Item],
) -> None:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + CONNECT_TIMEOUT
    pause = FIRST_PAUSE
    while True:
        called = loop.time()
        try:
            async with aclosing(open_stream()) as messages:
                async for message in messages:
                    inbox.put(items(message))
        except Failure as failure:
            if not _transient(failure) or (not inbox.received_any and loop.time() >= give_up):
                raise
            episodes.record(
                f"streams ended and are reopened: {failure.reason}",
                "a stream ended and is reopened: %s",
                failure.reason,
                level=logging.INFO,
            )
        if loop.time() - called > MAX_PAUSE:
            pause = FIRST_PAUSE
        # With jitter, so that a restarted service doesn't receive all streams at once.
        await asyncio.sleep(shortened(pause, 0.5))
        pause = min(2 * pause, MAX_PAUSE)


def _transient(failure: Failure) -> bool:
    broken = failure.kind is Kind.INTERNAL and "fault_id" not in failure.details
    return broken or failure.kind in TRANSIENT
