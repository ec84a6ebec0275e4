"""aiohttp's server with a lane beside it: what the lane has no answer to is aiohttp's, as ever."""

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import answer
from gateway.framing import Framing
from gateway.lane import LARGEST, Lane
from kit import http_connection, http_edge
from kit.http_connection import ErrorBody
from kit.http_guard import Guard
from kit.http_settings import HTTPSettings


class Connection(http_connection.Connection):
    """A connection: a request that comes in one piece, when nothing else is going on, may take the lane.

    Two parts of aiohttp's own are leant on: `_waiter`, which is there and not done while it waits for
    a request, and `_next_keepalive_close_time`, when it closes a connection that is idle.
    """

    __slots__ = ("_framing", "_lane", "_peer", "sent")

    def __init__(
        self, lane: Lane, body: ErrorBody, guard: Guard, manager: web.Server, **options: Any
    ) -> None:
        super().__init__(body, guard, manager, **options)
        self._lane = lane
        self._framing = Framing()
        self._peer: str | None = None
        # The request that aiohttp handles now, as it came; None if it isn't alone or came in pieces.
        self.sent: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        """The address is asked for once: a connection keeps it."""
        super().connection_made(transport)
        peer = self.peername
        self._peer = str(peer[0] if isinstance(peer, list | tuple) else peer) if peer else None

    def data_received(self, data: bytes) -> None:
        """Bytes came in, whatever they are; none when aiohttp reminds itself of what it held back."""
        if not data:
            super().data_received(data)
            return
        framing, waiter = self._framing, self._waiter
        alone = framing.between and waiter is not None and not waiter.done()
        if alone and not self.writing_paused and self.transport is not None:
            answer = self._lane.answer(data, self._peer)
            if answer is not None:
                self.transport.writelines(answer)
                self._heard = True
                self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
                return
        framing.follow(data)
        whole = alone and framing.between and len(data) <= LARGEST
        self.sent = data if whole else None
        super().data_received(data)


class Server(http_edge.Server):
    """Makes such connections; aiohttp's runner asks for one whenever somebody connects."""

    def __init__(self, lane: Lane, like: web.Server, body: ErrorBody, guard: Guard) -> None:
        super().__init__(like, body, guard)
        self._lane = lane

    def __call__(self) -> Connection:
        return Connection(
            self._lane, self._body, self._guard, self, loop=self._loop, **self._kwargs
        )


class Runner(http_edge.Runner):
    """Runs an application that teaches the lane what it answers."""

    def __init__(
        self,
        lane: Lane,
        app: web.Application,
        body: ErrorBody,
        settings: HTTPSettings | None,
        **options: Any,
    ) -> None:
        super().__init__(app, body, settings, **options)
        self._lane = lane
        # The last of these: nothing changes the headers of an answer after it.
        app.on_response_prepare.append(self._learn)
        if lane.waits:
            app.middlewares.append(self._later)

    def _serving(self, made: web.Server) -> web.Server:
        return Server(self._lane, made, self._body, self.guard)

    @web.middleware
    async def _later(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        if isinstance(connection, Connection) and connection.sent is not None:
            response = await self._lane.later(connection.sent, request)
            if response is not None:
                return response
        return await handler(request)

    async def _learn(self, request: web.Request, response: web.StreamResponse) -> None:
        connection = request.protocol
        if isinstance(connection, Connection) and connection.sent is not None:
            self._lane.learn(connection.sent, request, response)


def runner(
    lane: Lane | None,
    app: web.Application,
    settings: HTTPSettings | None = None,
    **options: Any,
) -> http_edge.Runner:
    """aiohttp's runner of an application, beside the lane if there is one; options are aiohttp's."""
    if lane is None:
        return http_edge.Runner(app, answer.error_body, settings, **options)
    return Runner(lane, app, answer.error_body, settings, **options)
