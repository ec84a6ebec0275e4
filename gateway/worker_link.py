"""The link between a worker and the process that started it: lines over a pair of sockets.

Up comes that the worker is ready, that it lives, and its metrics when they are asked for. The end of the
link asks the worker to stop, also when nobody is there any more to ask.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from kit import background

READY, ALIVE, METRICS = b"ready", b"alive", b"metrics"
# Seconds between two signs of life.
ALIVE_EVERY = 1.0
# Seconds that a worker has to give its metrics; Prometheus waits ten for all.
METRICS_TIMEOUT = 3.0


class Link:
    """The worker's end."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._ready = asyncio.Event()
        self._registry: CollectorRegistry | None = None

    def ready(self) -> None:
        """Requests are answered here."""
        self._ready.set()

    @asynccontextmanager
    async def shown(
        self, registry: CollectorRegistry, _host: str, _port: int
    ) -> AsyncIterator[None]:
        """Has these metrics given to who asks over the link; they need no port of their own."""
        self._registry = registry
        yield

    async def follow(self) -> None:
        """Tells and answers until the link ends."""
        reader, writer = await asyncio.open_unix_connection(sock=self._socket)
        telling = background.start(self._tell(writer), "report to the parent")
        try:
            while await reader.readline():  # there is but one question
                text = generate_latest(self._registry) if self._registry is not None else b""
                writer.write(b"%b %d\n%b" % (METRICS, len(text), text))
        except ConnectionError:
            pass  # it ended while something of ours was unread
        finally:
            telling.cancel()
            writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        await self._ready.wait()
        writer.write(READY + b"\n")
        while True:
            await asyncio.sleep(ALIVE_EVERY)
            writer.write(ALIVE + b"\n")


class Hold:
    """The other end: what is known of a worker through it; closing it asks the worker to stop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: asyncio.Future[bytes] | None = None
        self._over = False
        self.ready = asyncio.Event()
        self.heard = asyncio.Event()

    @classmethod
    async def open(cls, ours: socket.socket) -> "Hold":
        """Over that socket, whose other one the worker has."""
        return cls(*await asyncio.open_unix_connection(sock=ours))

    def close(self) -> None:
        self._writer.close()

    async def follow(self) -> None:
        """Listens until the worker is gone; sets `heard` at each sign of life."""
        try:
            while line := await self._reader.readline():
                word, _, size = line.strip().partition(b" ")
                text = await self._reader.readexactly(int(size)) if word == METRICS else b""
                self.heard.set()
                if word == READY:
                    self.ready.set()
                elif word == METRICS and self._asked is not None and not self._asked.done():
                    self._asked.set_result(text)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # killed: how it ended is its exit status
        finally:
            self._over = True
            if self._asked is not None and not self._asked.done():
                self._asked.set_result(b"")

    async def metrics(self) -> str:
        """In Prometheus's text format, nothing of a worker that has ended.

        Raises TimeoutError for one that is too busy to tell.
        """
        if self._over:
            return ""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().create_future()
            self._writer.write(METRICS + b"\n")
        async with asyncio.timeout(METRICS_TIMEOUT):
            return (await asyncio.shield(self._asked)).decode()
