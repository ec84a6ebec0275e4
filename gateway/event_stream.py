"""Results as server-sent events: one operation for each request, as GraphQL over SSE has it."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from aiohttp import web

from gateway.execution import Result
from gateway.settings import Settings
from kit.auth import Session
from kit.log_episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between comments that keep proxies from closing a quiet stream, and that find clients gone.
KEEP_ALIVE = 15.0


class EventStreams:
    """Serves streams until they are all ended; one object a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False

    async def serve(
        self, request: web.Request, session: Session, results: AsyncGenerator[Result, None]
    ) -> web.StreamResponse:
        """Sends the results until the last, the session's end, or the client's.

        Without the event `complete` the client should ask again, with a new token where need be.
        """
        if self._closing or len(self._open) >= self._settings.max_sockets:
            raise web.HTTPServiceUnavailable(
                text="No more streams are taken here now; try again", headers={"Retry-After": "1"}
            )
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # else nginx keeps events back until it has many
            }
        )
        await response.prepare(request)
        sending = asyncio.create_task(self._send(request, response, results))
        self._open.add(sending)
        try:
            while not sending.done():
                wait = KEEP_ALIVE if (left := _left(session)) is None else min(KEEP_ALIVE, left)
                await asyncio.wait({sending}, timeout=wait)
                if _left(session) == 0:
                    await self._write(request, response, ": the session has expired\n\n")
                    break
                if not sending.done():
                    await self._write(request, response, ":\n\n")
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
        self,
        request: web.Request,
        response: web.StreamResponse,
        results: AsyncGenerator[Result, None],
    ) -> None:
        async with aclosing(results):
            async for result in results:
                event = f"event: next\ndata: {json.dumps(result.body)}\n\n"
                await self._write(request, response, event)
        await self._write(request, response, "event: complete\ndata:\n\n")

    async def _write(self, request: web.Request, response: web.StreamResponse, text: str) -> None:
        try:
            async with asyncio.timeout(self._settings.socket_send_timeout):
                await response.write(text.encode())
        except TimeoutError as error:
            episodes.met(
                "clients that read nothing are dropped",
                "a client that reads nothing is dropped",
                level=logging.INFO,
            )
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from error


def _left(session: Session) -> float | None:
    """Seconds; None for nobody's session, which doesn't end."""
    if session.expires_at is None:
        return None
    return max(0.0, (session.expires_at - datetime.now(UTC)).total_seconds())
