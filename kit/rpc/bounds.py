"""The bounds of one gRPC server, and what each of its calls takes up of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc

from kit.errors import Failure, Kind
from kit.net import connections
from kit.rpc.admission import Calls, Turns
from kit.rpc.limits import OFF, Limits
from kit.rpc.metrics import BoundMetrics
from kit.rpc.unread_responses import UnreadResponses


class Work:
    """What a call without a session does while it has its turn."""

    size = 0


class Taken:
    """One call that the server has taken on."""

    def __init__(self, bounds: "Bounds", connection: str, *, has_session: bool) -> None:
        self._bounds = bounds
        self._connection = connection
        self._has_session = has_session
        self.call = bounds.calls(has_session=has_session).enter(connection)

    async def request(self, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """The bytes of the request. Raise DEADLINE if they don't come in time."""
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
    async def turn(self) -> AsyncIterator[Work]:
        """Wait for a place to work, which a call with a session has at once, as do all without the bound."""
        work, unread, turns = Work(), self._bounds.unread, self._bounds.turns
        if self._has_session or self._bounds.limits.calls_at_work >= OFF:
            self.call.waits = False
            unread.check(self._connection)
            yield work
            return
        turn = await turns.take(self._connection)
        self.call.waits = False
        try:
            unread.check(self._connection)
            yield work
        finally:
            turns.leave(turn, work.size)

    def answered(self, size: int, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Count an answer until the call has ended. Raise EXHAUSTED if there is no room for it."""
        unread = self._bounds.unread
        answer = unread.add(self._connection, size)
        _when_ended(context, lambda: unread.remove(answer))

    @contextmanager
    def message(self, size: int) -> Iterator[None]:
        """Count a message of a stream within the block, in which it is sent."""
        answer = self._bounds.unread.add(self._connection, size)
        try:
            yield
        finally:
            self._bounds.unread.remove(answer)

    def leave(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """The handler is done: the call has ended as soon as its answer was sent."""
        calls = self._bounds.calls(has_session=self._has_session)
        calls.done(self.call)
        _when_ended(context, lambda: calls.leave(self.call))


class Bounds:
    """Counts calls and unread answers of one server. `port` is the server's, once it has one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.port = 0
        self._metrics = BoundMetrics()
        self._with_session = Calls(limits.calls, cut=self._cut)
        self._without_session = Calls(limits.calls_without_session, cut=self._cut)
        self.turns = Turns(limits.calls_at_work)
        self.unread = UnreadResponses(
            limits.unread_bytes, limits.unread_seconds, self._cut, self._metrics.unread
        )

    def take(self, context: grpc.aio.ServicerContext[Any, Any], *, has_session: bool) -> Taken:
        """Take on a call. Raise EXHAUSTED if there is no place for it, or if its metadata is too large.

        gRPC's library counts metadata that comes in several frames by the frame, and lets it pass.
        """
        size = sum(len(name) + len(value) for name, value in context.invocation_metadata() or ())
        if size > 2 * self.limits.metadata_bytes:
            raise Failure(
                Kind.EXHAUSTED,
                "METADATA_TOO_LARGE",
                f"The metadata of this call has {size} bytes; the limit is"
                f" {self.limits.metadata_bytes}",
            )
        return Taken(self, context.peer(), has_session=has_session)

    def calls(self, *, has_session: bool) -> Calls:
        """Unfinished calls of that kind."""
        return self._with_session if has_session else self._without_session

    def close(self) -> None:
        """The server has stopped."""
        self.unread.close()

    def _cut(self, connection: str) -> bool:
        if not connections.cut(connection, self.port):
            return False
        self._metrics.cut()
        return True


def _when_ended(context: Any, act: Callable[[], None]) -> None:  # its type names no callable
    context.add_done_callback(lambda _context: act())
