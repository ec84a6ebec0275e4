"""Renders files in separate processes, and passes them on in pieces."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.sheets.esims import DeliveredESIM
from gateway.sheets.report import Report
from kit.errors import Failure, Kind

log = logging.getLogger(__name__)

# Renderers at the same time. Each takes some 10 ms of one core per eSIM, and up to 170 MB for a PDF.
MAX_RENDERERS = 2
# Seconds to wait for a free renderer, and until the client may try again.
WAIT = 30.0
RETRY_AFTER = 15.0
PIECE = 64 * 1024  # bytes
ROOT = Path(__file__).parents[3]


class Renderer:
    """Starts renderers; one instance per process."""

    def __init__(self, support: str, wait: float = WAIT) -> None:
        """`support` is the address that is printed on installation pages; it may be empty.

        `wait` is how long a file waits for a free renderer, in seconds.
        """
        self._support = support
        self._wait = wait
        self._free = asyncio.Semaphore(MAX_RENDERERS)

    def archive(self, esims: AsyncIterable[DeliveredESIM]) -> AsyncGenerator[bytes, None]:
        """Yield a ZIP archive with a QR code per eSIM, while the eSIMs arrive."""
        return self._render("archive", _objects(esims))

    def pages(self, esims: AsyncIterable[DeliveredESIM]) -> AsyncGenerator[bytes, None]:
        """Yield a PDF with an installation page per eSIM, once all eSIMs have arrived."""
        return self._render("pages", _objects(esims, {"support": self._support}))

    def report(self, report: Report) -> AsyncGenerator[bytes, None]:
        """Yield a report as PDF."""
        return self._render("report", _single(asdict(report)))

    async def _render(
        self, kind: str, objects: AsyncIterable[bytes]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file; raise Failure EXHAUSTED if no renderer is free, and those of `run`."""
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError as error:
            raise Failure(
                Kind.EXHAUSTED,
                "TOO_MANY_DOWNLOADS",
                f"Too many downloads are running; try again in {RETRY_AFTER:g} s",
                retry_after=RETRY_AFTER,
            ) from error
        try:
            async with aclosing(run(kind, objects)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._free.release()


async def run(kind: str, source: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Start a renderer, and yield its file. Raises Failure INTERNAL if it fails, EXHAUSTED if none can start.

    A Failure that the source raises ends the file, and is raised to the caller.
    """
    try:
        process, ours = _start(kind)
    except OSError as error:  # no file descriptor, memory or process is left
        log.warning("the renderer of a file (%s) could not be started: %s", kind, error.strerror)
        raise Failure(
            Kind.EXHAUSTED,
            "TOO_MANY_DOWNLOADS",
            f"There is no room for another download; try again in {RETRY_AFTER:g} s",
            retry_after=RETRY_AFTER,
        ) from error
    output, its = await asyncio.open_connection(sock=ours)
    feeding = asyncio.create_task(_feed(process, its, source))
    try:
        while piece := await _read(output):
            yield piece
        await feeding
        if (status := await asyncio.to_thread(process.wait)) != 0:
            log.error("the renderer of a file (%s) ended with status %s", kind, status)
            raise Failure(
                Kind.INTERNAL,
                "RENDERING_FAILED",
                "The file could not be made; report this to the operator",
                details={"fault_id": "rendering"},
            )
    finally:
        feeding.cancel()
        process.kill()
        its.transport.abort()
        await asyncio.wait({feeding})
        await asyncio.to_thread(process.wait)


def _start(kind: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a renderer, and return our end of the socket that is its input and output.

    Not with `asyncio.create_subprocess_exec`: uvloop forks, and gRPC's threads do not survive that unharmed.
    """
    with ExitStack() as unless_started:
        ours, its = socket.socketpair()
        unless_started.enter_context(ours)
        with its:
            process = subprocess.Popen(  # noqa: S603 - our own program
                (sys.executable, "-m", "gateway.sheets", kind),
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=subprocess.DEVNULL,  # a traceback may hold texts of the file
                cwd=ROOT,
                # Without the gateway's environment, which holds secrets that the renderer has no use for.
                env={"PYTHONDONTWRITEBYTECODE": "1"},
            )
        unless_started.pop_all()
    return process, ours


async def _read(output: asyncio.StreamReader) -> bytes:
    try:
        return await output.read(PIECE)
    except ConnectionError:  # it was killed, or failed, before it had read its whole input
        return b""


async def _feed(
    process: subprocess.Popen[bytes],
    its: asyncio.StreamWriter,
    source: AsyncIterable[bytes],
) -> None:
    """Write the input, as fast as the renderer reads it; kill it if there is an error."""
    try:
        async for one in source:
            its.write(one)
            await its.drain()
        its.write_eof()
    except ConnectionError:
        pass  # the renderer has ended, and its status says why
    except BaseException:
        # It must not take the end of its input for the end of the eSIMs.
        process.kill()
        raise


async def _objects(
    esims: AsyncIterable[DeliveredESIM], first: dict[str, Any] | None = None
) -> AsyncIterator[bytes]:
    if first is not None:
        yield _line(first)
    async for esim in esims:
        yield _line(asdict(esim))


async def _single(one: dict[str, Any]) -> AsyncIterator[bytes]:
    yield _line(one)


def _line(one: dict[str, Any]) -> bytes:
    return json.dumps(one).encode() + b"\n"
