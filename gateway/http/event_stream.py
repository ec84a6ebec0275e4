"""Results as server-sent events: one operation for each request, as GraphQL over SSE has it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime

from aiohttp import web

from gateway.http.connection_limits import ConnectionLimits
from gateway.http.execution import Result
from gateway.settings import Settings
from kit.auth.sessions import Session

# Seconds between comments that keep proxies from closing a quiet stream, and that find clients gone.
KEEP_ALIVE = 15.0


class EventStreams:
    """Serves streams until they are all ended; one object a process."""

    def __init__(self, settings: Settings) -> None:
        self._connection_limits = ConnectionLimits(
            "event streams",
            "streams",
            settings.sockets.most,
            settings.sockets.per_address,
            settings.sockets.per_user,
        )
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False

    async def serve(
        self,
        request: web.Request,
        session: Session,
        address: str | None,
        results: AsyncGenerator[Result, None],
    ) -> web.StreamResponse:
        """Sends the results until the last, the session's end, or the client's.

        Without the event `complete` the client should ask again, with a new token where need be. Raises
        Failure for one stream too many of the `address`, the user or the process.
        """
        if self._closing:
            raise web.HTTPServiceUnavailable(
                text="The gateway is shutting down; try again", headers={"Retry-After": "1"}
            )
        with ExitStack() as held:
            held.enter_context(self._connection_limits.of(address))
            if session.user_id is not None:
                held.enter_context(self._connection_limits.of_user(str(session.user_id)))
            return await self._serve(request, session, results)

    async def _serve(
        self, request: web.Request, session: Session, results: AsyncGenerator[Result, None]
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # else nginx keeps events back until it has many
            }
        )
        await response.prepare(request)
        sending = asyncio.create_task(self._send(response, results))
        self._open.add(sending)
        try:
            while not sending.done():
                wait = KEEP_ALIVE if (left := _left(session)) is None else min(KEEP_ALIVE, left)
                await asyncio.wait({sending}, timeout=wait)
                if _left(session) == 0:
                    await response.write(b": the session has expired\n\n")
                    break
                if not sending.done():
                    await response.write(b":\n\n")
            if sending.done() and not sending.cancelled():
                sending.result()
        except ConnectionError:
            pass  # the client went away
        finally:
            self._open.discard(sending)
            sending.cancel()
            await asyncio.wait({sending})
        response.force_close()
        return response

    async def close(self) -> None:
        """Ends all, so that clients ask another replica; takes no more."""
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


def _left(session: Session) -> float | None:
    """Seconds; None for nobody's session, which doesn't end."""
    if session.expires_at is None:
        return None
    return max(0.0, (session.expires_at - datetime.now(UTC)).total_seconds())
