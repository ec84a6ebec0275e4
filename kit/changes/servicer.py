"""The gRPC service with which other owners read the changes of this one."""

import asyncio
from functools import partial
from typing import Any

from google.protobuf.struct_pb2 import Struct

from kit.changes.cursor import Cursor, parse
from kit.changes.feed import Feed, Page
from kit.db.database import Database
from kit.db.notify import Listener, Notifications
from kit.rpc.access import Access, Rule, Rules
from kit.rpc.call import Context
from kit.rpc.guard import Service
from kit.values import timestamps
from kit.values.checks import Checks
from protos.changes.v1 import changes_pb2 as pb
from protos.changes.v1 import changes_pb2_grpc

ACCESS: Rules = {"ReadChanges": Rule(Access.SERVICE)}
# What the trigger on the outbox notifies.
OUTBOX = "outbox"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_WAIT = 20
# Seconds between reads while an older transaction is running: nothing reports its end.
PENDING_EVERY = 0.1


def service(
    database: Database, owner: str, notifications: Notifications, stop: asyncio.Event
) -> Service:
    """Make the service of one owner's changes, which the trigger on its outbox notifies."""
    servicer = ChangesServicer(Feed(database, owner), notifications, stop)
    return Service(
        pb.DESCRIPTOR.services_by_name["ChangesService"],
        partial(changes_pb2_grpc.add_ChangesServiceServicer_to_server, servicer),
        ACCESS,
    )


class ChangesServicer(changes_pb2_grpc.ChangesServiceServicer):
    """Returns changes, and waits for one if there is none."""

    def __init__(self, feed: Feed, notifications: Notifications, stop: asyncio.Event) -> None:
        self._feed = feed
        self._notifications = notifications
        self._stop = stop

    async def ReadChanges(
        self, request: pb.ReadChangesRequest, context: Context
    ) -> pb.ReadChangesResponse:
        checks = Checks()
        limit = checks.between("limit", request.limit or DEFAULT_LIMIT, 1, MAX_LIMIT)
        wait = checks.between("wait_seconds", request.wait_seconds, 0, MAX_WAIT)
        checks.done()
        page = await self._next(parse(request.cursor), limit, wait)
        return pb.ReadChangesResponse(changes=map(_to_proto, page.rows), cursor=str(page.cursor))

    async def _next(self, after: Cursor | None, limit: int, wait: int) -> Page:
        """Return the next changes, or none when the time is over or the process stops."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        with self._notifications.subscribe([OUTBOX]) as listener:
            while True:
                page = await self._feed.read(after, limit)
                left = end - loop.time()
                if page.rows or left <= 0 or self._stop.is_set():
                    return page
                await self._pause(listener, min(left, PENDING_EVERY) if page.pending else left)

    async def _pause(self, listener: Listener, seconds: float) -> None:
        """Wait for a change, for the stop of the process, or for this time."""
        waits: list[asyncio.Task[Any]] = [
            asyncio.ensure_future(listener.changes()),
            asyncio.ensure_future(self._stop.wait()),
        ]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def _to_proto(row: Any) -> pb.Change:
    body = Struct()
    body.update(row["body"])
    return pb.Change(
        type=row["type"],
        subject_id=str(row["subject_id"]),
        organization_id=str(row["organization_id"] or ""),
        customer_id=str(row["customer_id"] or ""),
        version=row["version"],
        body=body,
        at=timestamps.to_proto(row["at"]),
    )
