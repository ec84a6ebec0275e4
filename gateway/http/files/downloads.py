"""Sends files that are made while they are sent, and that no browser or proxy may store."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager

from aiohttp import web

from kit.auth.sessions import Session
from kit.errors import Failure, Kind

log = logging.getLogger(__name__)

# Seconds. A file of 2,000 eSIMs takes half a minute to make, and a slow client some minutes to receive.
MAX_SECONDS = 300.0
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "zip": "application/zip",
}
NO_HEADERS: Mapping[str, str] = {}


class Downloads:
    """Sends files, one at a time to each user; one instance per process."""

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        """`seconds` is how long a download may take."""
        self._seconds = seconds
        self._running: set[str] = set()

    async def send(
        self,
        request: web.Request,
        session: Session,
        name: str,
        pieces: AsyncGenerator[bytes, None],
        *,
        seconds: float | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> web.StreamResponse:
        """Send a file called `name`, whose extension is one of TYPES, within `seconds`.

        Further `headers` are read after the first piece was made.

        Raises Failure if there is one before the first piece. After it, the connection is closed, so that
        the client notices that the file is incomplete.
        """
        async with aclosing(pieces):
            with self._only_one(session):
                response = _response(name)
                seconds = self._seconds if seconds is None else seconds
                try:
                    async with asyncio.timeout(seconds):
                        first = await anext(pieces)
                        response.headers.update(headers)
                        return await self._stream(request, response, first, pieces)
                except TimeoutError as error:
                    why = f"it took more than {seconds:g} s"
                    if response.prepared:
                        return _broken_off(request, response, why)
                    raise Failure(
                        Kind.DEADLINE,
                        "DOWNLOAD_TIME_OVER",
                        f"The file was not made, as {why}; try again later",
                    ) from error

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
    ) -> web.StreamResponse:
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in rest:
                await response.write(piece)
        except Failure as failure:
            return _broken_off(request, response, failure.reason)
        await response.write_eof()
        return response

    @contextmanager
    def _only_one(self, session: Session) -> Iterator[None]:
        user = str(session.user_id)
        if user in self._running:
            raise Failure(
                Kind.EXHAUSTED,
                "DOWNLOAD_RUNNING",
                "Another download of yours is running; wait until it has ended",
                retry_after=5.0,
            )
        self._running.add(user)
        try:
            yield
        finally:
            self._running.discard(user)


def _response(name: str) -> web.StreamResponse:
    return web.StreamResponse(
        headers={
            "Content-Type": TYPES[name.rpartition(".")[2]],
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "X-Accel-Buffering": "no",  # otherwise nginx writes parts of it to its disk
        }
    )


def _broken_off(request: web.Request, response: web.StreamResponse, why: str) -> web.StreamResponse:
    log.warning("a download was broken off: %s", why)
    if request.transport is not None:
        request.transport.abort()
    return response
