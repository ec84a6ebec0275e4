"""Limits on what the clients of an HTTP server occupy: connections, and bytes buffered for them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kit.errors import Failure, Kind
from kit.http.refusals import refused
from kit.http.settings import HTTPSettings
from kit.net import client_address
from kit.net.open_files import within_open_files

logger = logging.getLogger(__name__)

# Maximum interval between checks of all connections, in seconds.
CHECK_EVERY = 1.0


class GuardedConnection(Protocol):
    """The part of a connection that a Guard uses."""

    # The client's address; None for a proxy that serves many clients.
    client: str | None
    # Whether the connection counts toward the limit of its address.
    counted: bool
    # Bytes buffered for the client when last counted.
    unsent: int

    def waiting_bytes(self) -> int: ...

    def enforce_timeouts(self, now: float) -> None: ...

    def drop(self) -> None: ...


class Guard:
    """Keeps the connections of one server within its limits."""

    def __init__(self, settings: HTTPSettings) -> None:
        self.settings = settings
        self._max_connections = within_open_files(settings.max_connections)
        self._open: set[GuardedConnection] = set()
        # Connections of unconfigured proxies: limited to half, because any local client can pose as one.
        self._forwarding: set[GuardedConnection] = set()
        # For each address, its connections, or its requests through a trusted proxy.
        self._held: Counter[str] = Counter()
        self._unsent: Counter[str | None] = Counter()
        self._total_unsent = 0

    def refusal(self, peer: str | None) -> Failure | None:
        """Return a failure if another connection of this address would exceed a limit."""
        if len(self._open) >= self._max_connections:
            return self._refuse(
                "connections", "This server has reached its maximum number of connections"
            )
        if client_address.trusts(peer, self.settings.trusted_proxies):
            return None
        return self._refuse_above_limit(client_address.of(peer, (), self.settings.trusted_proxies))

    def opened(self, connection: GuardedConnection, peer: str | None) -> None:
        """Register a new connection of this address."""
        trusted = self.settings.trusted_proxies
        connection.client = client_address.of(peer, (), trusted)
        connection.counted = not client_address.trusts(peer, trusted)
        if connection.counted:
            self._held[connection.client] += 1
        self._open.add(connection)

    def closed(self, connection: GuardedConnection) -> None:
        """Unregister a connection that has ended."""
        self._open.discard(connection)
        self._forwarding.discard(connection)
        self.clear_unsent(connection)
        self._uncount(connection)

    @contextmanager
    def request(
        self, connection: GuardedConnection, peer: str | None, forwarded: tuple[str, ...]
    ) -> Iterator[Failure | None]:
        """Count a request within the block toward the client that a proxy forwards it for.

        Yields a failure if the request exceeds a limit; the caller must respond with it.
        """
        client = client_address.counted(peer, forwarded, self.settings.trusted_proxies)
        if client is None and connection not in self._forwarding:
            if len(self._forwarding) >= self._max_connections // 2:
                yield self._refuse(
                    "unnamed_proxies",
                    "Clients behind unconfigured proxies hold half of all connections",
                )
                return
            self._forwarding.add(connection)
        if client != connection.client:
            self.clear_unsent(connection)  # from here on, buffered bytes are this client's
            if client is None:
                self._uncount(connection)
            connection.client = client
        if client is None or not client_address.trusts(peer, self.settings.trusted_proxies):
            yield None
            return
        if (failure := self._refuse_above_limit(client)) is not None:
            yield failure
            return
        self._held[client] += 1
        try:
            yield None
        finally:
            self._release(client)

    def count_unsent(self, connection: GuardedConnection) -> None:
        """Update the bytes buffered for a client, and drop connections while the total is too high."""
        self.clear_unsent(connection)
        connection.unsent = connection.waiting_bytes()
        self._unsent[connection.client] += connection.unsent
        self._total_unsent += connection.unsent
        while self._total_unsent > self.settings.max_unsent:
            heaviest, _ = max(self._unsent.items(), key=lambda item: item[1])
            largest = max(
                (one for one in self._open if one.client == heaviest), key=lambda one: one.unsent
            )
            self.clear_unsent(largest)
            refused("unsent_bytes")
            largest.drop()

    def clear_unsent(self, connection: GuardedConnection) -> None:
        """Stop counting the bytes buffered for a client."""
        if not connection.unsent:
            return
        self._total_unsent -= connection.unsent
        self._unsent[connection.client] -= connection.unsent
        if not self._unsent[connection.client]:
            del self._unsent[connection.client]
        connection.unsent = 0

    async def watch(self) -> None:
        """Check all connections periodically until cancelled."""
        settings, now = self.settings, asyncio.get_running_loop().time
        every = min(CHECK_EVERY, settings.header_seconds / 4, settings.send_seconds / 4)
        while True:
            await asyncio.sleep(every)
            for connection in [*self._open]:
                try:
                    connection.enforce_timeouts(now())
                except Exception:  # one connection must not stop the checks of the others
                    logger.exception("a connection could not be inspected and is closed")
                    connection.drop()

    def _refuse_above_limit(self, address: str) -> Failure | None:
        if self._held[address] < self.settings.max_connections_per_address:
            return None
        return self._refuse("address_connections", "Your IP address holds too many connections")

    def _uncount(self, connection: GuardedConnection) -> None:
        if connection.counted and connection.client is not None:
            connection.counted = False
            self._release(connection.client)

    def _release(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    def _refuse(self, bound: str, cause: str) -> Failure:
        refused(bound)
        message = f"{cause}; close some connections, or try again later"
        return Failure(Kind.EXHAUSTED, "TOO_MANY_CONNECTIONS", message, retry_after=1)
