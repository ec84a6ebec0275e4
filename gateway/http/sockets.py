"""The WebSocket connections of a process: who may open one, how many, and how all are closed."""

import asyncio
import logging

from aiohttp import web

from gateway.http.connection_limits import ConnectionLimits
from gateway.http.cors import Pages
from gateway.http.execution import Execution
from gateway.http.rate_limits import RateLimits
from gateway.http.socket_protocol import GOING_AWAY, PROTOCOL, Connection
from gateway.settings import Settings
from kit.http.connection import MAX_HEADER

logger = logging.getLogger(__name__)

# Seconds between pings of the WebSocket's own, which keep proxies from closing a quiet connection and
# find peers that are gone; most proxies wait 60.
HEARTBEAT = 25.0
# Seconds that a peer may take over its half of closing.
CLOSE_TIMEOUT = 2.0
# Bytes of connection_init, with an access token of the longest size in it.
MOST_INIT = MAX_HEADER
# Closes a connection that offers no protocol of ours.
UNKNOWN_PROTOCOL = 4406


class Sockets:
    """Serves connections until they are all closed; one object a process."""

    def __init__(
        self, settings: Settings, execution: Execution, limits: RateLimits, pages: Pages
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._execution = execution
        self._limits = limits
        self._connection_limits = ConnectionLimits(
            "WebSockets",
            "sockets",
            settings.sockets.most,
            settings.sockets.per_address,
            settings.sockets.per_user,
        )
        self._open: set[Connection] = set()
        self._closing = False

    async def serve(self, request: web.Request, request_id: str) -> web.WebSocketResponse:
        """One connection, from the upgrade to its end; raises web.HTTPException before that.

        Raises Failure for one too many.
        """
        if self._closing:
            raise web.HTTPServiceUnavailable(
                text="The gateway is shutting down; reconnect", headers={"Retry-After": "1"}
            )
        # Browsers open sockets to other origins without a preflight.
        if not self._pages.allowed(request):
            raise web.HTTPForbidden(
                text="Pages of this origin may not connect; the operator can allow it in"
                " GATEWAY_CORS_ORIGINS"
            )
        with self._connection_limits.of(self._limits.client(request)):
            return await self._serve(request, request_id)

    async def _serve(self, request: web.Request, request_id: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=HEARTBEAT,
            timeout=CLOSE_TIMEOUT,
            max_msg_size=max(self._settings.max_body, MOST_INIT),
            compress=False,  # a few hundred bytes each, against a compressor's memory for every peer
            autoping=False,  # pings count against a rate
        )
        try:
            fit = socket.can_prepare(request).ok
        except UnicodeEncodeError:  # aiohttp quotes a header, whose bytes are no text
            fit = False
        if not fit:
            raise web.HTTPBadRequest(text="Not a valid WebSocket handshake (RFC 6455)")
        await socket.prepare(request)
        if socket.ws_protocol != PROTOCOL:
            await socket.close(
                code=UNKNOWN_PROTOCOL,
                message=f"Request the WebSocket subprotocol {PROTOCOL}".encode(),
            )
            return socket
        connection = Connection(
            socket,
            request,
            self._execution,
            self._limits,
            self._connection_limits,
            request_id,
            max_message=self._settings.max_body,
            message_rate=self._settings.sockets.message_rate,
            init_timeout=self._settings.sockets.init_seconds,
        )
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
        return socket

    async def close(self) -> None:
        """Closes all with 1001, so that clients connect to another replica; takes no more."""
        self._closing = True
        words = "The gateway is shutting down; reconnect"
        await asyncio.gather(*(one.close(GOING_AWAY, words) for one in self._open))
