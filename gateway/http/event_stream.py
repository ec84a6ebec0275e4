"""GraphQL over SSE in distinct connections mode: one operation per request, its results as events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime

from aiohttp import web

from gateway.http.connection_limits import ConnectionLimits
from gateway.http.execution import Result
from gateway.settings import Settings
from kit.auth.sessions import Session

# Seconds between comments, which keep proxies from closing an idle stream and detect lost clients.
KEEP_ALIVE = 15.0


class EventStreams:
    """Serves event streams and closes them at shutdown; one instance per process."""

    def __init__(self, settings: Settings) -> None:
        self._connection_limits = ConnectionLimits("event streams", "streams", settings.sockets)
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False

    async def serve(
        self,
        request: web.Request,
        session: Session,
        address: str | None,
        results: AsyncGenerator[Result, None],
    ) -> web.StreamResponse:
        """Send results until the last one, until the session expires, or until the client disconnects.

        A client that received no `complete` event should send the request again, with a new token if its
        token has expired. Raises Failure if the address, the user or the process has too many streams.
        """
        if self._closing:
            raise web.HTTPServiceUnavailable(
                text="The gateway is shutting down; try again", headers={"Retry-After": "1"}
            )
        with ExitStack() as open_connections:
            open_connections.enter_context(self._connection_limits.open(address))
            if session.user_id is not None:
                open_connections.enter_context(
                    self._connection_limits.of_user(str(session.user_id))
                )
            return await self._serve(request, session, results)

    async def _serve(
        self, request: web.Request, session: Session, results: AsyncGenerator[Result, None]
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "X-Accel-Buffering": "no",  # otherwise nginx buffers events
            }
        )
        # Announced in the headers. Otherwise a client would send its next request on the closed connection.
        response.force_close()
        await response.prepare(request)
        sending = asyncio.create_task(self._send(response, results))
        self._open.add(sending)
        try:
            while not sending.done():
                wait = (
                    KEEP_ALIVE
                    if (remaining := _remaining(session)) is None
                    else min(KEEP_ALIVE, remaining)
                )
                await asyncio.wait({sending}, timeout=wait)
                if sending.done():
                    break
                if _remaining(session) == 0:
                    await response.write(b": the session has expired\n\n")
                    break
                await response.write(b":\n\n")
            if sending.done() and not sending.cancelled():
                sending.result()
        except ConnectionError:
            pass  # the client disconnected
        finally:
            self._open.discard(sending)
            sending.cancel()
            await asyncio.wait({sending})
        return response

    async def close(self) -> None:
        """End all streams, so that clients reconnect to another replica, and accept no new ones."""
        self._closing = True
        for sending in self._open:
            sending.cancel()

    async def _send(
        self, response: web.StreamResponse, results: AsyncGenerator[Result, None]
    ) -> None:
        async with aclosing(results):
            async for result in results:
                await response.write(b"event: next\ndata: " + result.text + b"\n\n")
        await response.write(b"event: complete\ndata:\n\n")


def _remaining(session: Session) -> float | None:
    """Return the seconds until the session expires; None for an anonymous one, which does not."""
    if session.expires_at is None:
        return None
    return max(0.0, (session.expires_at - datetime.now(UTC)).total_seconds())
