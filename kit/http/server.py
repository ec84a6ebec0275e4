"""HTTP servers that limit their clients and return every error as JSON without a `Server` header."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from kit import background
from kit.http.connection import MAX_HEADER, Connection, ErrorBody, ErrorResponse, raw_response
from kit.http.guard import Guard
from kit.http.pieces import PIECE, Pieces
from kit.http.settings import HTTPSettings
from kit.http.site import Site
from kit.http.turns import Turns
from kit.net import listening

logger = logging.getLogger(__name__)

# Headers to copy from aiohttp's error responses.
HEADERS = ("Allow", "Retry-After")


def plain_body(message: str, code: str) -> dict[str, Any]:
    """Build the default body of an error."""
    return {"error": message, "code": code}


class Server(web.Server):
    """Creates the connections, and converts aiohttp's own HTTP errors to JSON."""

    def __init__(self, like: web.Server, body: ErrorBody, guard: Guard) -> None:
        self._handler = like.request_handler
        self._body = body
        self._guard = guard
        self._turns = Turns()
        self._connecting: set[asyncio.Task[None]] = set()
        super().__init__(
            self._handle,
            request_factory=like.request_factory,
            handler_cancellation=like.handler_cancellation,
            **like._kwargs,
        )

    def __call__(self) -> web.RequestHandler:
        return Connection(self._body, self._guard, self, loop=self._loop, **self._kwargs)

    def admit(self, accepted: socket.socket, peer: str | None) -> bytes | None:
        """Serve a new connection, or return the bytes that refuse it; `peer` is the client's address."""
        failure = self._guard.refusal(peer)
        if failure is not None:
            body = self._body(failure.message, failure.reason)
            return raw_response(HTTPStatus.SERVICE_UNAVAILABLE, body, failure.retry_after)
        connection = self()
        assert isinstance(connection, Connection)
        self._guard.opened(connection, peer)
        connecting = background.start(self._connect(connection, accepted), "connect a client")
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)
        return None

    async def connected(self) -> None:
        """Wait until every admitted client is connected or has left."""
        while self._connecting:
            await asyncio.wait(self._connecting)

    async def _connect(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except BaseException as error:
            self._guard.closed(connection)
            accepted.close()
            if not isinstance(error, OSError):  # the client has left
                raise

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        forwarded = tuple(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        try:
            if not request.headers.get(hdrs.EXPECT, "").isascii():
                raise web.HTTPExpectationFailed  # aiohttp's own would quote the header
            if not (forwarded or self._guard.settings.trusted_proxies):
                return await self._response(request, connection)  # counted by its connection
            with self._guard.request(connection, request.remote, forwarded) as failure:
                if failure is None:
                    return await self._response(request, connection)
            status = HTTPStatus.TOO_MANY_REQUESTS
            response = ErrorResponse(status, self._body(failure.message, failure.reason))
            response.headers["Retry-After"] = f"{failure.retry_after or 1:g}"
        except web.HTTPException as refusal:
            status = HTTPStatus(refusal.status)
            response = ErrorResponse(
                status, self._body(f"{status.phrase}: {status.description}", status.name)
            )
            for name in HEADERS:
                if name in refusal.headers:
                    response.headers[name] = refusal.headers[name]
        finally:
            connection.handled = request.content
        return response

    async def _response(
        self, request: web.BaseRequest, connection: Connection
    ) -> web.StreamResponse:
        await self._turns.turn(connection.client)
        response: web.StreamResponse = await self._handler(request)
        if isinstance(response, web.Response):
            body = response.body
            if isinstance(body, bytes) and len(body) > PIECE:
                response.body = Pieces(body, connection)
        return response


class Runner(web.AppRunner):
    """Runs an application behind such a server; `options` are aiohttp's."""

    def __init__(
        self,
        app: web.Application,
        body: ErrorBody,
        settings: HTTPSettings | None = None,
        **options: Any,
    ) -> None:
        settings = settings or HTTPSettings()
        defaults = {"max_field_size": MAX_HEADER, "keepalive_timeout": settings.idle_seconds}
        super().__init__(app, **{**defaults, **options})
        self._body = body
        self.guard = Guard(settings)
        self._watch: asyncio.Task[None] | None = None
        app.on_response_prepare.append(_without_server)

    async def _make_server(self) -> web.Server:
        self._watch = background.start(self.guard.watch(), "watch the clients' connections")
        self._clients = Server(await super()._make_server(), self._body, self.guard)
        return self._clients

    async def listen(self, host: str, port: int) -> int:
        """Accept connections, and return the port. Raises OSError if the port can't be opened."""
        await Site(self, host, port, self._clients.admit).start()
        bound: int = self.addresses[0][1]
        return bound

    async def cleanup(self) -> None:
        for site in self.sites:
            await site.stop()
        # aiohttp doesn't close a connection that begins while it closes the others, and may wait for it
        # until `shutdown_timeout`.
        await self._clients.connected()
        await super().cleanup()
        if self._watch is not None:
            self._watch.cancel()


@asynccontextmanager
async def serving(runner: Runner, host: str, port: int, variables: str) -> AsyncIterator[int]:
    """Serve within the block, and yield the port. Raises StartError if the port can't be opened.

    `variables` is the common prefix of the settings for host and port.
    """
    await runner.setup()
    try:
        bound = await listen(runner, host, port, variables)
        logger.info("%s ready on %s:%s", variables.lower(), host, bound)
        yield bound
    finally:
        await runner.cleanup()


async def listen(runner: Runner, host: str, port: int, variables: str) -> int:
    """Accept connections, and return the port, as `serving` does."""
    with listening.at(host, port, variables):
        return await runner.listen(host, port)


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Remove the server's name and version, which only help attackers."""
    response.headers.pop("Server", None)
