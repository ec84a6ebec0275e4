"""The limits of one gRPC server, and how each of its calls counts toward them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc

from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.net import connections
from kit.rpc.admission import Calls, Slots
from kit.rpc.call import Context
from kit.rpc.limits import OFF, Limits
from kit.rpc.metrics import BoundMetrics
from kit.rpc.unread_responses import UnreadResponses

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# How many times the limit of metadata is a flood: no client sends as much by mistake.
FLOOD = 8


class Work:
    """What a call did in its slot: `size` is the size of its response in bytes."""

    size = 0


class AdmittedCall:
    """One call that the server has admitted."""

    def __init__(self, bounds: "Bounds", connection: str, *, has_session: bool) -> None:
        self._bounds = bounds
        self._connection = connection
        self._has_session = has_session
        self.call = bounds.calls(has_session=has_session).enter(connection)

    async def request(self, context: Context) -> bytes:
        """Return the bytes of the request. Raises DEADLINE if they don't arrive in time."""
        try:
            async with asyncio.timeout(self._bounds.limits.request_seconds):
                body = await context.read()
        except TimeoutError:
            raise Failure(
                Kind.DEADLINE,
                "REQUEST_NOT_RECEIVED",
                "The request message was not received in time; call again and send it without"
                " delay",
            ) from None
        if body is grpc.aio.EOF:
            raise Failure(
                Kind.INVALID,
                "REQUEST_MISSING",
                "The call ended without a request message; send one message",
            )
        return bytes(body)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Work]:
        """Wait for a slot, and hold it within the block.

        Calls with a session need none; nor do any calls if `calls_at_work` is off.
        """
        work, unread, slots = Work(), self._bounds.unread, self._bounds.slots
        if self._has_session or self._bounds.limits.calls_at_work >= OFF:
            self.call.evictable = False
            unread.check(self._connection)
            yield work
            return
        slot = await slots.acquire(self._connection)
        self.call.evictable = False
        try:
            unread.check(self._connection)
            yield work
        finally:
            slots.release(slot, work.size)

    def count_response(self, size: int, context: Context) -> None:
        """Count the response as unread until the call ends. Raises EXHAUSTED above the limit."""
        unread = self._bounds.unread
        response = unread.add(self._connection, size)
        _when_ended(context, lambda: unread.remove(response))

    @contextmanager
    def message(self, size: int) -> Iterator[None]:
        """Count a message of a stream as unread within the block, which sends it."""
        response = self._bounds.unread.add(self._connection, size)
        try:
            yield
        finally:
            self._bounds.unread.remove(response)

    def leave(self, context: Context) -> None:
        """Note that the handler has ended: the call ends as soon as its response was sent."""
        calls = self._bounds.calls(has_session=self._has_session)
        calls.done(self.call)
        _when_ended(context, lambda: calls.leave(self.call))


class Bounds:
    """The calls and unread responses of one server. `port` is 0 until the server listens."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.port = 0
        self._metrics = BoundMetrics()
        self._with_session = Calls(limits.calls, close=self._close_connection)
        self._without_session = Calls(limits.calls_without_session, close=self._close_connection)
        self.slots = Slots(limits.calls_at_work)
        self.unread = UnreadResponses(
            limits.unread_bytes,
            limits.unread_seconds,
            self._close_connection,
            self._metrics.unread,
        )

    def admit(self, context: Context, *, has_session: bool) -> AdmittedCall:
        """Admit a call. Raises EXHAUSTED above the limits, or if its metadata is too large.

        gRPC's own limit misses metadata that arrives in several frames, because it counts each separately.
        Its library has all of a connection's metadata in memory by then, and only frees it early if the
        connection is closed.
        """
        size = sum(len(name) + len(value) for name, value in context.invocation_metadata() or ())
        if size > FLOOD * self.limits.metadata_bytes and self._close_connection(context.peer()):
            episodes.record(
                "callers send floods of metadata",
                "closed the connection of %s, which sent a call with %d bytes of metadata",
                context.peer(),
                size,
            )
        if size > 2 * self.limits.metadata_bytes:
            raise Failure(
                Kind.EXHAUSTED,
                "METADATA_TOO_LARGE",
                f"The metadata of this call has {size} bytes; the limit is"
                f" {self.limits.metadata_bytes}",
            )
        return AdmittedCall(self, context.peer(), has_session=has_session)

    def calls(self, *, has_session: bool) -> Calls:
        """Return the counter for calls with or without a session."""
        return self._with_session if has_session else self._without_session

    def close(self) -> None:
        """Stop the timers."""
        self.unread.close()

    def _close_connection(self, connection: str) -> bool:
        if not connections.close(connection, self.port):
            return False
        self._metrics.connection_closed()
        return True


def _when_ended(
    context: Any, act: Callable[[], None]
) -> None:  # grpc's type of add_done_callback is wrong
    context.add_done_callback(lambda _context: act())
