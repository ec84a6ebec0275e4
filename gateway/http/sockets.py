"""The WebSocket connections of a process: admission, limits and shutdown."""

import asyncio

from aiohttp import web

from gateway.http.connection_limits import ConnectionLimits
from gateway.http.cors import Pages
from gateway.http.execution import Execution
from gateway.http.rate_limits import RateLimits
from gateway.http.socket_protocol import GOING_AWAY, PROTOCOL, Connection
from gateway.settings import Settings
from kit.http.connection import MAX_HEADER

# Seconds between pings, which keep proxies from closing an idle connection (most wait 60) and detect lost
# clients.
HEARTBEAT = 25.0
# Seconds that a client may take to answer a close frame.
CLOSE_TIMEOUT = 2.0
# Bytes of connection_init, which may contain an access token as long as a header.
MAX_INIT = MAX_HEADER
# Close code for a client that doesn't offer the protocol.
UNKNOWN_PROTOCOL = 4406


class Sockets:
    """Serves WebSocket connections and closes them at shutdown; one instance per process."""

    def __init__(
        self, settings: Settings, execution: Execution, limits: RateLimits, pages: Pages
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._execution = execution
        self._limits = limits
        self._connection_limits = ConnectionLimits("WebSockets", "sockets", settings.sockets)
        self._open: set[Connection] = set()
        self._closing = False

    async def serve(self, request: web.Request, request_id: str) -> web.WebSocketResponse:
        """Serve one connection, from the upgrade to its end.

        Raises web.HTTPException for a request that can't be upgraded, Failure for one connection too many.
        """
        if self._closing:
            raise web.HTTPServiceUnavailable(
                text="The gateway is shutting down; reconnect", headers={"Retry-After": "1"}
            )
        # Browsers open WebSockets to other origins without a preflight.
        if not self._pages.allowed(request):
            raise web.HTTPForbidden(
                text="Pages of this origin may not connect; the operator can allow it in"
                " GATEWAY_CORS_ORIGINS"
            )
        with self._connection_limits.open(self._limits.client(request)):
            return await self._serve(request, request_id)

    async def _serve(self, request: web.Request, request_id: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=HEARTBEAT,
            timeout=CLOSE_TIMEOUT,
            max_msg_size=max(self._settings.max_body, MAX_INIT),
            compress=False,  # messages are small, and each compressor takes memory
            autoping=False,  # so that pings count against the message rate
        )
        try:
            valid = socket.can_prepare(request).ok
        except UnicodeEncodeError:  # aiohttp quotes a header that isn't valid text
            valid = False
        if not valid:
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
        """Close all with 1001, so that clients reconnect to another replica, and accept no new ones."""
        self._closing = True
        reason = "The gateway is shutting down; reconnect"
        await asyncio.gather(*(one.close(GOING_AWAY, reason) for one in self._open))
