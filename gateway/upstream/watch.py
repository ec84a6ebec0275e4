"""A service's stream as one subscription hears it: the latest of everything, across restarts."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Generic, TypeVar

from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

Message = TypeVar("Message")
Item = TypeVar("Item")

# Seconds between attempts to reach the service again; one that restarts is back within a few.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
# Seconds that a new subscription waits for a service that is away, as a query would.
PATIENCE = 10.0
# What passes by itself. A fault of the service's own has an id, and would only be made again.
PASSING = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE})


class _Inbox(Generic[Item]):
    """What was heard and not yet taken: of each thing the latest only, so it never grows."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.begun = False
        self._known: dict[str, Item] = {}
        self._waiting: dict[str, Item] | None = None

    def put(self, items: Iterable[tuple[str, Item]]) -> None:
        """Takes in what changed since it was last heard; the very first time even nothing is news."""
        changed = {key: item for key, item in items if self._known.get(key) != item}
        if changed or not self.begun:
            self.begun = True
            self._known |= changed
            self._waiting = (self._waiting or {}) | changed
            self.news.set()

    def take(self) -> list[Item] | None:
        """What waits; None when nothing does."""
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else [*waiting.values()]


async def watch(
    open_stream: Callable[[], AsyncGenerator[Message, None]],
    items: Callable[[Message], Iterable[tuple[str, Item]]],
) -> AsyncGenerator[list[Item], None]:
    """What is, and then what changed since the last time; `items` names the things in a message.

    Whoever takes slowly gets the latest of each thing, without the steps between. A service that
    goes away is called again, and then only what changed meanwhile is told. Raises Failure where
    calling again is no use, and where the service can't be reached at the beginning.
    """
    inbox: _Inbox[Item] = _Inbox()
    reading = asyncio.create_task(_read(open_stream, items, inbox))
    reading.add_done_callback(lambda _: inbox.news.set())
    try:
        while True:
            await inbox.news.wait()
            inbox.news.clear()
            while (ready := inbox.take()) is not None:
                yield ready
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
    give_up = loop.time() + PATIENCE
    pause = FIRST_PAUSE
    while True:
        called = loop.time()
        try:
            async with aclosing(open_stream()) as messages:
                async for message in messages:
                    inbox.put(items(message))
        except Failure as failure:
            if not _passing(failure) or (not inbox.begun and loop.time() >= give_up):
                raise
            episodes.record(
                f"streams ended and are reopened: {failure.reason}",
                "a stream ended and is reopened: %s",
                failure.reason,
                level=logging.INFO,
            )
        if loop.time() - called > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        # Not all at the same moment: a service that comes back has many streams to open.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE)


def _passing(failure: Failure) -> bool:
    broken = failure.kind is Kind.INTERNAL and "fault_id" not in failure.details
    return broken or failure.kind in PASSING
