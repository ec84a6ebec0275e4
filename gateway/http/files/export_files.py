"""Makes the files of exports: streams the rows from their service into a renderer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, MutableMapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import grpc

from gateway.http.files import rendering
from gateway.settings import Settings
from gateway.sheets.exports import files
from gateway.sheets.exports.export import Export
from gateway.sheets.exports.kinds import ESIMS, ORDERS
from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.errors import Failure, Kind
from kit.net.tls import TLS
from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.common.v1.exports_pb2 import ExportHead
from protos.esims.v1.exports_pb2_grpc import ExportsServiceStub as ESIMsExportsStub
from protos.orders.v1.exports_pb2_grpc import ExportsServiceStub as OrdersExportsStub

# Exports at the same time in one process. Each takes a core and up to 150 MB while it runs.
MAX_EXPORTS = 3
# Seconds to wait for another one to end, and until the client may try again.
WAIT = 5.0
RETRY_AFTER = 15.0
# Messages that are read ahead of the renderer, some 5 MB. While a slow client receives a group of rows, the
# renderer reads nothing. The service would end an export that is not read for some seconds, so the second
# half is read slowly: one message every PAUSE seconds.
AHEAD = 40
PAUSE = 2.0
STUBS: dict[str, Any] = {ORDERS: OrdersExportsStub, ESIMS: ESIMsExportsStub}


class ExportFiles:
    """Makes files, a few at a time; one instance per process."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = {ORDERS: settings.orders_address, ESIMS: settings.esims_address}
        self._tls: TLS = settings.tls
        self._free = asyncio.Semaphore(MAX_EXPORTS)
        # One of them is only for the staff.
        self._free_of_members = asyncio.Semaphore(MAX_EXPORTS - 1)

    async def pieces(
        self, session: Session, export: Export, headers: MutableMapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, and set the headers that describe it before the first piece.

        Raises Failure: that of the service, EXHAUSTED if too many exports are running, and INTERNAL if the
        file can't be made.
        """
        async with self._slot(session), self._opened(export.rows.owner) as stub:
            method = getattr(stub, export.rows.method)
            messages = rpc_client.stream(method, export.request(), token=session.token)
            async with aclosing(messages):
                # A refusal starts no renderer.
                first = await anext(messages, None)
                if first is None:
                    raise Failure(
                        Kind.UNAVAILABLE, "EXPORT_EMPTY", "The export ended at once; try again"
                    )
                headers.update(_described(first.head))
                frames = _frames(export, first, messages)
                async with (
                    aclosing(ahead(frames)) as source,
                    aclosing(rendering.run("export", source)) as made,
                ):
                    async for piece in made:
                        yield piece

    @asynccontextmanager
    async def _slot(self, session: Session) -> AsyncGenerator[None, None]:
        staff = session.role in SUFFICIENT[Role.FINANCE]
        async with self._acquired(self._free) if staff else self._slot_of_member():
            yield

    @asynccontextmanager
    async def _slot_of_member(self) -> AsyncGenerator[None, None]:
        async with self._acquired(self._free_of_members), self._acquired(self._free):
            yield

    @asynccontextmanager
    async def _acquired(self, free: asyncio.Semaphore) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(WAIT):
                await free.acquire()
        except TimeoutError as error:
            raise Failure(
                Kind.EXHAUSTED,
                "TOO_MANY_EXPORTS",
                f"Other exports are running; try again in {RETRY_AFTER:g} s",
                retry_after=RETRY_AFTER,
            ) from error
        try:
            yield
        finally:
            free.release()

    @asynccontextmanager
    async def _opened(self, owner: str) -> AsyncGenerator[Any, None]:
        """Open a connection to a service for one export.

        A server closes the connection of a client that does not read, with all calls on it.
        """
        channel: grpc.aio.Channel = rpc_client.channel(
            self._addresses[owner], self._tls, shared=False
        )
        async with channel:
            yield STUBS[owner](channel)


def _described(head: ExportHead) -> dict[str, str]:
    return {
        "Export-As-Of": timestamps.to_text(timestamps.from_proto(head.as_of)),
        "Export-Time-Zone": head.time_zone,
        "Export-Complete": "true" if head.complete else "false",
    }


async def _frames(
    export: Export, first: Any, rest: AsyncIterable[Any]
) -> AsyncGenerator[bytes, None]:
    yield files.header(export)
    yield files.frame(first.SerializeToString())
    async for message in rest:
        yield files.frame(message.SerializeToString())


async def ahead(
    frames: AsyncGenerator[bytes, None], pause: float = PAUSE
) -> AsyncGenerator[bytes, None]:
    """Yield frames, and read up to AHEAD of them in advance, the second half slowly."""
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = asyncio.Semaphore(AHEAD)
    few = asyncio.Event()

    async def read() -> None:
        try:
            async with aclosing(frames):
                async for one in frames:
                    await room.acquire()
                    waiting.put_nowait(one)
                    if waiting.qsize() >= AHEAD // 2:
                        few.clear()
                        with suppress(TimeoutError):
                            await asyncio.wait_for(few.wait(), pause)
        finally:
            waiting.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (one := await waiting.get()) is not None:
            if waiting.qsize() < AHEAD // 2:
                few.set()
            yield one
            room.release()
        await reading
    finally:
        reading.cancel()
        await asyncio.wait({reading})
