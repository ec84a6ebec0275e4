"""Connections of an HTTP server: watched by a Guard, and with errors of the parser that are JSON."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from kit.auth import tokens
from kit.errors import Failure
from kit.http.guard import Guard
from kit.http.read_throttle import ReadThrottle
from kit.http.refusals import refused
from kit.http.settings import STEP

logger = logging.getLogger(__name__)

# Bytes of one header. An access token of the longest size fits with room to spare, so that a longer one
# reaches the application, which refuses it as a session.
MAX_HEADER = tokens.MAX_TOKEN_BYTES + 8 * 1024
# Requests on one connection that wait for the one before them; more stay in the client's socket.
MAX_PIPELINED = 2
# Bytes that wait for a client before its writer has to; of every connection as many are not counted.
WRITE_BUFFER = 16 * 1024
# Bytes of an answer that the system takes before its client has read some: what waits beyond is seen here.
SYSTEM_BUFFER = 128 * 1024

# The body of an error: of a message and a code such as NOT_FOUND.
ErrorBody = Callable[[str, str], dict[str, Any]]


class ErrorResponse(web.Response):
    """An error as JSON."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(text=json.dumps(body), status=status, content_type="application/json")

    async def _prepare_headers(self) -> None:
        # No signal of the application is sent for a request that the parser refused.
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class Connection(web.RequestHandler):
    """A connection whose parser's errors are JSON, and which a Guard watches.

    These parts of aiohttp's own are relied on: `_waiter`, which is there and not done while it waits
    for a request, `_messages`, the requests that were parsed and not begun, `_upgraded`, and
    `_pause_reading_for_buffer`, which holds until the next of them is begun.
    """

    __slots__ = (
        *("_body", "_guard", "_head", "_head_since", "_heard", "_mark", "_pace", "_payload"),
        *("_stuck_since", "_wire", "client", "counted", "unsent"),
    )

    def __init__(self, body: ErrorBody, guard: Guard, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._body = body
        self._guard = guard
        self._pace: ReadThrottle | None = None
        # The transport until the connection is lost; aiohttp lets go of its own before that.
        self._wire: asyncio.Transport | None = None
        # Bytes of a head that is not complete, and since when it is waited for.
        self._head = 0
        self._head_since: float | None = None
        # If a request was received, and the body of the last one.
        self._heard = False
        self._payload: StreamReader | None = None
        # Since when the client has not read enough, and the bytes that waited then.
        self._stuck_since: float | None = None
        self._mark = 0
        self.client: str | None = None
        self.counted = False
        self.unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse a connection that is one too many, before any of its bytes is read."""
        wire = cast(asyncio.Transport, transport)
        peer = wire.get_extra_info("peername")
        address = peer[0] if isinstance(peer, list | tuple) else peer
        failure = self._guard.opened(self, str(address) if address else None)
        if failure is not None:
            wire.write(self._refusal(HTTPStatus.SERVICE_UNAVAILABLE, failure))
            wire.close()
            return
        self._wire = wire
        wire.set_write_buffer_limits(high=WRITE_BUFFER)
        found = wire.get_extra_info("socket")
        if found is not None:
            with suppress(OSError, AttributeError):  # a system without it, a socket of another kind
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SYSTEM_BUFFER)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._pace is not None:
            self._pace.close()
        self._wire = None
        self._guard.closed(self)
        super().connection_lost(exc)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """The connection is a WebSocket's from here on, with the bytes that came after the upgrade."""
        tail, self._message_tail = self._message_tail, b""
        super().set_parser(parser, data_received_cb)
        self._pace = ReadThrottle(
            self._loop, self, super().data_received, self._guard.settings.websocket_rate
        )
        if tail:
            self._pace.received(tail)

    def data_received(self, data: bytes) -> None:
        """Bytes came in, or none when aiohttp reminds itself of what it held back."""
        if self._pace is not None:
            self._pace.received(data)
            return
        queued = len(self._messages)
        # Before these bytes are read: they may be the end of the body.
        between = self._payload is None or self._payload.is_eof()
        super().data_received(data)
        if len(self._messages) > queued:
            self._head, self._heard = 0, True
            _, self._payload = self._messages[-1]
        elif between:
            self._head += len(data)
        most = self._guard.settings.max_head
        if self._head > most:
            words = f"The request line and headers together have more than {most} bytes"
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse("header_bytes", status, words)
        elif len(self._messages) >= MAX_PIPELINED and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def pause_writing(self) -> None:
        """More waits for the client than the transport likes to hold."""
        super().pause_writing()
        self._guard.waits(self)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._stuck_since = None
        self._guard.sent(self)

    def waiting_bytes(self) -> int:
        """Count the bytes that wait for the client."""
        return 0 if self._wire is None else self._wire.get_write_buffer_size()

    def look(self, now: float) -> None:
        """End what takes too long, seen from time to time."""
        if self._wire is None:
            return
        if self.writing_paused or self._wire.is_closing():
            self._look_at_answer(now)
        elif self._reads_a_head():
            if self._head_since is None:
                self._head_since = now
            elif now - self._head_since >= self._guard.settings.header_seconds:
                words = "The request did not arrive in time; send it without delay"
                self._refuse("header_seconds", HTTPStatus.REQUEST_TIMEOUT, words)
        else:
            self._head_since = None

    def drop(self) -> None:
        """End the connection without waiting for its client."""
        if self._wire is not None:
            self._loop.call_soon(self._wire.abort)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, without the bytes that were sent; the connection is closed."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started; no other response can be sent")
        if isinstance(exc, LineTooLong):
            found = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            words = (
                "The request line or a header is too long; a header may have at most"
                f" {MAX_HEADER} bytes"
            )
            refused("header_bytes")
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("unhandled error outside of the request handlers", exc_info=exc)
            found, words = HTTPStatus(status), "Internal error; try again"
        else:
            logger.info("a request was refused as invalid HTTP: %s", type(exc).__name__)
            found, words = HTTPStatus(status), "The request is not valid HTTP"
        response = ErrorResponse(found, self._body(words, found.name))
        response.force_close()
        return response

    def _reads_a_head(self) -> bool:
        """True if a request has begun to arrive, or the first one is waited for."""
        idle = self._waiter is not None and not self._waiter.done()
        return idle and (self._head > 0 or not self._heard)

    def _look_at_answer(self, now: float) -> None:
        self._guard.waits(self)
        left = self.waiting_bytes()
        if self._stuck_since is None or left <= self._mark - STEP:
            self._stuck_since, self._mark = now, left
        elif now - self._stuck_since >= self._guard.settings.send_seconds:
            refused("send_seconds")
            self.drop()

    def _refuse(self, bound: str, status: HTTPStatus, words: str) -> None:
        """Answer in the place of the application, and close the connection."""
        if self.transport is None or self.transport.is_closing():
            return
        refused(bound)
        if self._reads_a_head():  # else an answer to another request is on its way
            self.transport.write(self._written(status, words, status.name, ""))
        self.force_close()

    def _refusal(self, status: HTTPStatus, failure: Failure) -> bytes:
        retry = f"Retry-After: {failure.retry_after:g}\r\n" if failure.retry_after else ""
        return self._written(status, failure.message, failure.reason, retry)

    def _written(self, status: HTTPStatus, words: str, code: str, headers: str) -> bytes:
        body = json.dumps(self._body(words, code))
        return (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            f"{headers}Connection: close\r\n\r\n{body}"
        ).encode()
