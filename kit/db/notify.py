"""What PostgreSQL notifies of, told to all who listen in this process over one connection."""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from kit import background
from kit.db.database import PASSING, STATEMENT_TIMEOUT
from kit.logs.episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between attempts to connect again: at once at first, and never so rare that a server which
# is back goes unnoticed.
FIRST_PAUSE = 0.1
MAX_PAUSE = 5.0
# Seconds between signs of life asked of the server, and how long it may take over one: a line that
# was cut silently would otherwise never tell of anything again.
PROBE_EVERY = 30.0
PROBE_TIMEOUT = 5.0


class Listener:
    """One listener's news: which ids changed since it last asked, each once however often it did."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._anything = False
        self._news = asyncio.Event()

    async def changes(self) -> list[str] | None:
        """Waits for news and gives the ids that changed; None: anything may have."""
        await self._news.wait()
        self._news.clear()
        changed, anything = list(self._changed), self._anything
        self._changed, self._anything = {}, False
        return None if anything else changed

    def mark_changed(self, changed: str) -> None:
        """Notes that this changed."""
        self._changed[changed] = None
        self._news.set()

    def mark_all_changed(self) -> None:
        """Notes that anything may have changed."""
        self._anything = True
        self._news.set()


class Notifications:
    """Listens on one channel of the database; a notice is ids, separated by a space.

    The first id is what changed; the others are of what it belongs to. Who listens for any of them
    hears the first. After a lost connection every listener hears that anything may have changed, as
    PostgreSQL keeps no notice for those who are away.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)

    @contextmanager
    def subscribe(self, ids: Iterable[str]) -> Iterator[Listener]:
        """An listener for these ids. What is read after this begins misses nothing."""
        listener, watched = Listener(), set(ids)
        for id_ in watched:
            self._listeners[id_].add(listener)
        try:
            yield listener
        finally:
            for id_ in watched:
                self._listeners[id_].discard(listener)
                if not self._listeners[id_]:
                    del self._listeners[id_]

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, channel: str) -> AsyncIterator["Notifications"]:
        """Listens in the background until the block ends, and connects again whenever it must.

        `url` must reach PostgreSQL itself or a pooler in session mode: a pooler that lends a
        connection for each transaction loses notifications.
        """
        notifications = cls(url, channel)
        listening = background.start(notifications._listen(), f"listen on {channel}")
        try:
            yield notifications
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        key = f"notifications of {self._channel} are not heard"
        while True:
            try:
                connection = await asyncpg.connect(
                    self._url,
                    command_timeout=STATEMENT_TIMEOUT,
                    server_settings={"application_name": f"{self._channel} listener"},
                )
                try:
                    async for _ in self._alive(connection):
                        pause = FIRST_PAUSE
                finally:
                    connection.terminate()
            except (*PASSING, asyncpg.PostgresError, TimeoutError) as error:
                episodes.record(key, "LISTEN/NOTIFY connection lost, reconnecting: %s", error)
            except Exception as error:  # noqa: BLE001 - logged, and nobody else would see it
                episodes.record(
                    key,
                    "LISTEN/NOTIFY connection lost, reconnecting",
                    level=logging.ERROR,
                    error=error,
                )
            # Not all replicas at the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
            pause = min(2 * pause, MAX_PAUSE)

    async def _alive(self, connection: Any) -> AsyncIterator[None]:
        """Steps for as long as the server gives signs of life; raises when it doesn't."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(self._channel, self._notice)
        for listener in {
            listener for listeners in self._listeners.values() for listener in listeners
        }:
            listener.mark_all_changed()
        while not lost.is_set():
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), PROBE_EVERY)
            if not lost.is_set():
                await connection.execute("select 1", timeout=PROBE_TIMEOUT)
        raise ConnectionResetError("the connection was lost")

    def _notice(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        ids = str(payload).split()
        for listener in {listener for id_ in ids for listener in self._listeners.get(id_, ())}:
            listener.mark_changed(ids[0])
