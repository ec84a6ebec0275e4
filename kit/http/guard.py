"""Bounds on what the clients of an HTTP server occupy: counts of connections, and bytes that wait."""

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kit.errors import Failure, Kind
from kit.http.refusals import refused
from kit.http.settings import HTTPSettings
from kit.net import client_address

logger = logging.getLogger(__name__)

# Open files beside the clients' connections: to peers, to Redis, of the log and of libraries.
OTHER_FILES = 200
# Seconds between two looks at all connections, at most.
LOOK_EVERY = 1.0


class Guarded(Protocol):
    """What a Guard needs of a connection."""

    # Whose it is; None for a proxy's that stands for many clients.
    client: str | None
    # If it is one of its address's connections.
    counted: bool
    # Bytes that wait for its client, as they were last counted.
    unsent: int

    def waiting_bytes(self) -> int: ...

    def look(self, now: float) -> None: ...

    def drop(self) -> None: ...


class Guard:
    """Keeps the connections of one server within its bounds."""

    def __init__(self, settings: HTTPSettings) -> None:
        self.settings = settings
        self._most = within_open_files(settings.max_connections)
        self._open: set[Guarded] = set()
        # Of proxies that nobody named. Together they may have half, as anybody nearby can seem to be one.
        self._forwarding: set[Guarded] = set()
        # Of each address: its connections, or its requests where they come through a trusted proxy.
        self._held: Counter[str] = Counter()
        self._unsent: Counter[str | None] = Counter()
        self._sum = 0

    def opened(self, connection: Guarded, peer: str | None) -> Failure | None:
        """Take a new connection in; the failure if it is one too many."""
        trusted = self.settings.trusted_proxies
        connection.client = client_address.of(peer, (), trusted)
        connection.counted = not client_address.trusts(peer, trusted)
        if len(self._open) >= self._most:
            return self._refuse(
                "connections", "This server has reached its maximum number of connections"
            )
        if connection.counted:
            if (failure := self._one_more(connection.client)) is not None:
                connection.counted = False
                return failure
            self._held[connection.client] += 1
        self._open.add(connection)
        return None

    def closed(self, connection: Guarded) -> None:
        """Forget a connection that has ended, or was refused."""
        self._open.discard(connection)
        self._forwarding.discard(connection)
        self.sent(connection)
        self._uncount(connection)

    @contextmanager
    def request(
        self, connection: Guarded, peer: str | None, forwarded: tuple[str, ...]
    ) -> Iterator[Failure | None]:
        """Around a request, which counts for the address that a proxy forwards it for.

        Gives the failure for one too many, which must not be answered otherwise.
        """
        client = client_address.counted(peer, forwarded, self.settings.trusted_proxies)
        if client is None and connection not in self._forwarding:
            if len(self._forwarding) >= self._most // 2:
                yield self._refuse(
                    "unnamed_proxies",
                    "Clients behind unconfigured proxies hold half of all connections",
                )
                return
            self._forwarding.add(connection)
        if client != connection.client:
            self.sent(connection)  # what waits from here on is this client's
            if client is None:
                self._uncount(connection)
            connection.client = client
        if client is None or not client_address.trusts(peer, self.settings.trusted_proxies):
            yield None
            return
        if (failure := self._one_more(client)) is not None:
            yield failure
            return
        self._held[client] += 1
        try:
            yield None
        finally:
            self._release(client)

    def waits(self, connection: Guarded) -> None:
        """Count the bytes that wait for a client, and drop connections when they are too many."""
        self.sent(connection)
        connection.unsent = connection.waiting_bytes()
        self._unsent[connection.client] += connection.unsent
        self._sum += connection.unsent
        while self._sum > self.settings.max_unsent:
            most, _ = max(self._unsent.items(), key=lambda item: item[1])
            largest = max(
                (one for one in self._open if one.client == most), key=lambda one: one.unsent
            )
            self.sent(largest)
            refused("unsent_bytes")
            largest.drop()

    def sent(self, connection: Guarded) -> None:
        """Nothing waits for this client any more."""
        if not connection.unsent:
            return
        self._sum -= connection.unsent
        self._unsent[connection.client] -= connection.unsent
        if not self._unsent[connection.client]:
            del self._unsent[connection.client]
        connection.unsent = 0

    async def watch(self) -> None:
        """Look at all connections again and again, until it is cancelled."""
        settings, now = self.settings, asyncio.get_running_loop().time
        every = min(LOOK_EVERY, settings.header_seconds / 4, settings.send_seconds / 4)
        while True:
            await asyncio.sleep(every)
            for connection in [*self._open]:
                try:
                    connection.look(now())
                except Exception:  # one connection must not end the watch over all others
                    logger.exception("a connection could not be inspected and is closed")
                    connection.drop()

    def _one_more(self, address: str) -> Failure | None:
        if self._held[address] < self.settings.max_connections_per_address:
            return None
        return self._refuse("address_connections", "Your IP address holds too many connections")

    def _uncount(self, connection: Guarded) -> None:
        if connection.counted and connection.client is not None:
            connection.counted = False
            self._release(connection.client)

    def _release(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    def _refuse(self, bound: str, words: str) -> Failure:
        refused(bound)
        words = f"{words}; close some connections, or try again later"
        return Failure(Kind.EXHAUSTED, "TOO_MANY_CONNECTIONS", words, retry_after=1)


def within_open_files(connections: int) -> int:
    """Return how many connections the system lets this process have, raising its own limit if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    most = max(1, soft - OTHER_FILES)
    logger.warning(
        "limited to %d connections, because the limit of open files is %d; raise that limit"
        " for more",
        most,
        soft,
    )
    return most
