"""Listener for PostgreSQL notifications: one connection per process serves all subscribers."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from kit import background
from kit.db.pool import CONNECT_TIMEOUT, STATEMENT_TIMEOUT, TRANSIENT
from kit.logs.episodes import Episodes
from kit.telemetry import metrics
from kit.values.jitter import shortened

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between attempts to reconnect.
FIRST_PAUSE = 0.1
MAX_PAUSE = 5.0
# Interval and timeout of the probes that detect a silently dropped connection, in seconds.
PROBE_EVERY = 30.0
PROBE_TIMEOUT = 5.0


class Listener:
    """Collects the ids that changed since the last call of `changes`, each once."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._all_changed = False
        self._pending = asyncio.Event()

    async def changes(self) -> list[str] | None:
        """Wait for changes and return their ids; None means that anything may have changed."""
        await self._pending.wait()
        self._pending.clear()
        changed, all_changed = list(self._changed), self._all_changed
        self._changed, self._all_changed = {}, False
        return None if all_changed else changed

    def mark_changed(self, changed: str) -> None:
        self._changed[changed] = None
        self._pending.set()

    def mark_all_changed(self) -> None:
        self._all_changed = True
        self._pending.set()


class Notifications:
    """Listens on one channel of the database. A payload consists of ids, separated by spaces.

    The first id is that of the changed object, the others of objects that contain it. Listeners for any
    of them receive the first id. After a reconnect, every listener learns that anything may have
    changed, because PostgreSQL does not store notifications for absent clients. While no connection can be
    opened, they learn the same every PROBE_EVERY seconds, so they poll.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        # Since when no connection listens; None while one does.
        self._lost_at: float | None = time.monotonic()

    @contextmanager
    def subscribe(self, ids: Iterable[str]) -> Iterator[Listener]:
        """Listen for changes of these ids. Reads within the block miss no change."""
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
        """Listen in the background until the block ends, and reconnect after each lost connection.

        `url` must be that of PostgreSQL itself or of a pooler in session mode: a pooler in transaction
        mode loses notifications.
        """
        notifications = cls(url, channel)
        metrics.gauge(
            "esimgo_db_notifications_lost_seconds",
            "How long this process has not received the notifications of its database; 0 while it does",
            ("channel",),
        ).labels(channel).set_function(notifications._lost_for)
        listening = background.start(notifications._listen(), f"listen on {channel}")
        try:
            yield notifications
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    def _lost_for(self) -> float:
        return 0.0 if self._lost_at is None else time.monotonic() - self._lost_at

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        pause, received_until = FIRST_PAUSE, loop.time()
        key = f"notifications of {self._channel} are not received"
        while True:
            try:
                connection = await asyncpg.connect(
                    self._url,
                    timeout=CONNECT_TIMEOUT,
                    command_timeout=STATEMENT_TIMEOUT,
                    server_settings={"application_name": f"{self._channel} listener"},
                )
                try:
                    async for _ in self._probes(connection):
                        pause, received_until = FIRST_PAUSE, loop.time()
                finally:
                    self._lost_at = self._lost_at or time.monotonic()
                    connection.terminate()
            except (*TRANSIENT, asyncpg.PostgresError, TimeoutError) as error:
                episodes.record(key, "LISTEN/NOTIFY connection lost, reconnecting: %s", error)
            except Exception as error:  # noqa: BLE001 - logged, and the loop reconnects
                episodes.record(
                    key,
                    "LISTEN/NOTIFY connection lost, reconnecting",
                    level=logging.ERROR,
                    error=error,
                )
            if loop.time() - received_until >= PROBE_EVERY:
                received_until = loop.time()
                self._mark_all_changed()
            # Jitter, so that replicas don't reconnect simultaneously.
            await asyncio.sleep(shortened(pause, 0.5))
            pause = min(2 * pause, MAX_PAUSE)

    async def _probes(self, connection: Any) -> AsyncIterator[None]:
        """Listen to the channel, and yield after each successful probe; raises if the connection fails."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(self._channel, self._notice)
        self._lost_at = None
        self._mark_all_changed()
        while not lost.is_set():
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), PROBE_EVERY)
            if not lost.is_set():
                await connection.execute("select 1", timeout=PROBE_TIMEOUT)
        raise ConnectionResetError("the connection was lost")

    def _mark_all_changed(self) -> None:
        for listener in {one for listeners in self._listeners.values() for one in listeners}:
            listener.mark_all_changed()

    def _notice(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        ids = str(payload).split()
        for listener in {listener for id_ in ids for listener in self._listeners.get(id_, ())}:
            listener.mark_changed(ids[0])
