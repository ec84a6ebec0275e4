"""Accepts the connections of an HTTP server, and refuses those above its limits before any work for them."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from aiohttp import web

from kit.logs.episodes import Episodes
from kit.net.listening import NO_IPV6

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Connections that wait to be accepted. When there are more, new clients wait for a second or longer, as the
# system then ignores their first attempts.
BACKLOG = 4_096
# Connections accepted in one iteration of the event loop. uvloop itself accepts one, so that while a client
# connects a thousand times a second, another client waits behind all of its attempts.
AT_ONCE = 100
# Seconds without accepting after the system refused to open another one, for want of memory or files.
PAUSE = 1.0

# Serves a new connection of the peer with this address, or returns the bytes that refuse it.
Admit = Callable[[socket.socket, str | None], bytes | None]


class Site(web.BaseSite):
    """Listens for a runner, as aiohttp's TCPSite does."""

    def __init__(self, runner: web.BaseRunner, host: str, port: int, admit: Admit) -> None:
        super().__init__(runner)
        self._admit = admit
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Start to listen. Raises OSError if the port can't be opened."""
        sockets = await _listening(self._host, self._port)
        await super().start()
        # It has all that aiohttp uses of a server.
        self._server = Accepting(sockets, self._admit)  # type: ignore[assignment]


class Accepting:
    """Accepts connections at these sockets until closed."""

    def __init__(self, sockets: Sequence[socket.socket], admit: Admit) -> None:
        self.sockets = tuple(sockets)
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._start()

    def close(self) -> None:
        self._stop()
        for one in self.sockets:
            one.close()

    def _start(self) -> None:
        for one in self.sockets:
            self._loop.add_reader(one, self._accept, one)

    def _stop(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
        for one in self.sockets:
            self._loop.remove_reader(one)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                episodes.record(
                    "connections are not accepted",
                    "no connection can be accepted (%s); trying again every %g s",
                    error.strerror,
                    PAUSE,
                    level=logging.ERROR,
                )
                self._stop()
                self._resume = self._loop.call_later(PAUSE, self._start)
                return
            accepted.setblocking(False)
            refusal = self._admit(accepted, address[0] if address else None)
            if refusal is not None:
                with accepted, suppress(OSError):  # the client may have left
                    accepted.send(refusal)


async def _listening(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of the host; without IPv6, for each IPv4 address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as unless_all_listen:
        sockets: list[socket.socket] = []
        # IPv4 first.
        for family, _, _, _, address in sorted(dict.fromkeys(found), key=lambda one: one[0]):
            try:
                one = socket.create_server(address, family=family, backlog=BACKLOG)
            except OSError as error:
                if family == socket.AF_INET6 and sockets and error.errno in NO_IPV6:
                    continue
                raise
            sockets.append(unless_all_listen.enter_context(one))
            one.setblocking(False)
        unless_all_listen.pop_all()
    return sockets
