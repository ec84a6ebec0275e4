"""Connections of an HTTP server, which a Guard limits, and whose parser errors are JSON."""

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

from kit.auth.token_size import MAX_TOKEN_BYTES
from kit.http.guard import Guard
from kit.http.read_throttle import ReadThrottle
from kit.http.refusals import refused
from kit.http.settings import STEP

logger = logging.getLogger(__name__)

# Bytes of one header. Exceeds the longest access token, so that the application can reject longer ones.
MAX_HEADER = MAX_TOKEN_BYTES + 8 * 1024
# Pipelined requests that are read ahead; further ones stay in the socket.
MAX_PIPELINED = 2
# Bytes buffered for a client before its writer waits; buffers up to this size are not counted.
WRITE_BUFFER = 16 * 1024
# Unsent bytes in the kernel's buffer; what exceeds it stays in this process, where it is counted.
SYSTEM_BUFFER = 128 * 1024

# Builds the body of an error from a message and a code such as NOT_FOUND.
ErrorBody = Callable[[str, str], dict[str, Any]]


class ErrorResponse(web.Response):
    """An error response as JSON."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(
            text=json.dumps(body),
            status=status,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def _prepare_headers(self) -> None:
        # The application's signal handlers don't run for a request that the parser rejected.
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class Connection(web.RequestHandler):
    """A client connection.

    Relies on these internals of aiohttp: `_waiter`, a future that is pending while the connection is
    idle; `_messages`, the parsed requests that have not started; `_close`, true if no more are parsed;
    `_upgraded`; and `_pause_reading_for_buffer`, which pauses reading until the next request starts.
    """

    __slots__ = (
        *("_body", "_guard", "_head", "_head_since", "_has_request", "_payload", "_throttle"),
        *("_stalled_bytes", "_stalled_since", "_wire", "client", "counted", "handled", "unsent"),
        "unwritten",
    )

    def __init__(self, body: ErrorBody, guard: Guard, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._body = body
        self._guard = guard
        self._throttle: ReadThrottle | None = None
        # The transport until the connection is lost; aiohttp clears its own reference earlier.
        self._wire: asyncio.Transport | None = None
        # Bytes of an incomplete request head, and when the wait for it began.
        self._head = 0
        self._head_since: float | None = None
        # Whether any request was received, and the body of the last one.
        self._has_request = False
        self._payload: StreamReader | None = None
        # When the client last read enough, and the bytes that were buffered then.
        self._stalled_since: float | None = None
        self._stalled_bytes = 0
        self.client: str | None = None
        self.counted = False
        # The body of the last request whose handler has ended.
        self.handled: StreamReader | None = None
        self.unsent = 0
        self.unwritten = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = self._wire = cast(asyncio.Transport, transport)
        wire.set_write_buffer_limits(high=WRITE_BUFFER)
        found = wire.get_extra_info("socket")
        if found is not None:
            with suppress(OSError, AttributeError):  # not every system or socket has this option
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SYSTEM_BUFFER)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._throttle is not None:
            self._throttle.close()
        self._wire = None
        self._guard.closed(self)
        super().connection_lost(exc)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Upgrade to a WebSocket, whose first bytes may have arrived with the request."""
        tail, self._message_tail = self._message_tail, b""
        super().set_parser(parser, data_received_cb)
        self._throttle = ReadThrottle(
            self._loop, self, super().data_received, self._guard.settings.websocket_rate
        )
        if tail:
            self._throttle.received(tail)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, or none if aiohttp resumes parsing of buffered ones."""
        if self._throttle is not None:
            self._throttle.received(data)
            return
        queued = len(self._messages)
        # Checked before parsing, because these bytes may end the body.
        in_head = data and not self._close and self._has_whole_body()
        super().data_received(data)
        if len(self._messages) > queued and not self._has_whole_body():
            self._end_malformed_body()
        if len(self._messages) > queued:
            self._head, self._has_request = 0, True
            _, self._payload = self._messages[-1]
        elif in_head:
            self._head += len(data)
            self._limit_head()
        if len(self._messages) >= MAX_PIPELINED and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._guard.count_unsent(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None
        self._guard.clear_unsent(self)

    def waiting_bytes(self) -> int:
        """Return the number of bytes that wait for the client."""
        return 0 if self._wire is None else self._wire.get_write_buffer_size() + self.unwritten

    def enforce_timeouts(self, now: float) -> None:
        """End the connection or its request if the client is too slow. Called periodically."""
        if self._wire is None:
            return
        if self.writing_paused or self._wire.is_closing():
            self._enforce_send_timeout(now)
        elif self._awaits_head():
            if self._head_since is None:
                self._head_since = now
            elif now - self._head_since >= self._guard.settings.header_seconds:
                message = "The request did not arrive in time; send it without delay"
                self._refuse("header_seconds", HTTPStatus.REQUEST_TIMEOUT, message)
        else:
            self._head_since = None

    def drop(self) -> None:
        """Close the connection without waiting for the client."""
        if self._wire is not None:
            self._loop.call_soon(self._wire.abort)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to invalid HTTP without quoting it, and close the connection.

        Raises ConnectionError if that is impossible, which aiohttp ignores.
        """
        if isinstance(exc, ConnectionError) and self.transport is None:
            raise exc  # the client disconnected before its request had arrived
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started; no other response can be sent")
        if isinstance(exc, LineTooLong):
            code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            text = (
                "The request line or a header is too long; a header may have at most"
                f" {MAX_HEADER} bytes"
            )
            refused("header_bytes")
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("unhandled error outside of the request handlers", exc_info=exc)
            code, text = HTTPStatus(status), "Internal error; try again"
        else:
            logger.info("a request was refused as invalid HTTP: %s", type(exc).__name__)
            code, text = HTTPStatus(status), "The request is not valid HTTP"
        response = ErrorResponse(code, self._body(text, code.name))
        response.force_close()
        return response

    def _has_whole_body(self) -> bool:
        """True unless the body of the last request is incomplete."""
        return self._payload is None or self._payload.is_eof()

    def _end_malformed_body(self) -> None:
        """Let the handler's reading of an invalid body fail; the connection is closed after its response.

        aiohttp's parser only queues an error behind the request, whose handler would wait for the rest of the
        body until its timeout.
        """
        assert self._payload is not None
        self._messages.pop()
        if self._payload is not self.handled:  # otherwise aiohttp discards the rest of the body
            text = "The request body is not valid HTTP"
            self._payload.set_exception(web.HTTPBadRequest(text=text))
        self._payload.feed_eof()
        if not self._messages:
            self.close()

    def _limit_head(self) -> None:
        limit = self._guard.settings.max_head
        if self._head > limit:
            message = f"The request line and headers together have more than {limit} bytes"
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse("header_bytes", status, message)

    def _awaits_head(self) -> bool:
        """True if a request head is incomplete, or no request was received yet."""
        idle = self._waiter is not None and not self._waiter.done()
        return idle and (self._head > 0 or not self._has_request)

    def _enforce_send_timeout(self, now: float) -> None:
        self._guard.count_unsent(self)
        left = self.waiting_bytes()
        if self._stalled_since is None or left <= self._stalled_bytes - STEP:
            self._stalled_since, self._stalled_bytes = now, left
        elif now - self._stalled_since >= self._guard.settings.send_seconds:
            refused("send_seconds")
            self.drop()

    def _refuse(self, bound: str, status: HTTPStatus, message: str) -> None:
        """Respond in place of the application, and close the connection."""
        if self.transport is None or self.transport.is_closing():
            return
        refused(bound)
        if self._awaits_head():  # otherwise another response is being sent
            self.transport.write(raw_response(status, self._body(message, status.name)))
        self.force_close()


def raw_response(
    status: HTTPStatus, body: dict[str, Any], retry_after: float | None = None
) -> bytes:
    """Build an error response that ends its connection; `retry_after` is in seconds."""
    content = json.dumps(body)
    retry = f"Retry-After: {retry_after:g}\r\n" if retry_after else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(content)}\r\n"
        f"{retry}Connection: close\r\n\r\n{content}"
    ).encode()
