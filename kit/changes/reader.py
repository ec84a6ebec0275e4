"""Reads the changes of another owner, and applies each once to tables of this one."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

import grpc

from kit.background import Loop, sleep
from kit.errors import Failure
from kit.rpc import client as rpc_client
from kit.telemetry import metrics
from protos.changes.v1 import changes_pb2 as pb
from protos.changes.v1 import changes_pb2_grpc

logger = logging.getLogger(__name__)

# Changes of one transaction.
LIMIT = 500
# Seconds for which the owner waits for a change, and for its response.
WAIT = 20
ANSWER = 5.0


class Consumer(Protocol):
    """Tables that are made of the changes of another owner."""

    async def cursor(self) -> str:
        """Return the stored cursor, up to which the changes are applied; empty at first."""

    async def apply(self, changes: Sequence[pb.Change], cursor: str) -> None:
        """Apply changes and store the cursor, in one transaction.

        A change that is older than the one already applied to its subject is ignored: after a restart from
        an empty cursor, changes come again.
        """


class Reader:
    """Keeps a consumer up to date with the changes of `source`, over the channel to its service.

    It waits `pause` seconds after each round that read all changes: those that happen meanwhile are applied
    together.
    """

    def __init__(
        self,
        source: str,
        channel: grpc.aio.Channel,
        service_role_key: str,
        consumer: Consumer,
        stop: asyncio.Event,
        *,
        pause: float = 0,
    ) -> None:
        self._source = source
        self._stub = changes_pb2_grpc.ChangesServiceStub(channel)
        self._key = service_role_key
        self._consumer = consumer
        self._stop = stop
        self._pause = pause
        self._read_at = metrics.gauge(
            "esimgo_changes_read_timestamp_seconds",
            "Unix time at which the changes of another service were last read and applied, or reading began",
            ["source"],
        ).labels(source)
        self._read_at.set_to_current_time()

    def loop(self) -> Loop:
        """Return the loop that waits for changes and applies them."""
        return Loop(f"read changes of {self._source}", self.round, self._stop, every=None)

    async def round(self) -> bool:
        """Apply the next changes; waits for one. Returns True, as the next round can begin."""
        cursor = await self._consumer.cursor()
        try:
            response = await self._read(cursor)
        except Failure as failure:
            if failure.reason != "CHANGES_DELETED":
                raise
            logger.warning(
                "changes of %s were deleted before they were read; reading the current state",
                self._source,
            )
            await self._consumer.apply((), "")
            return True
        if response is None:
            return True
        changed = response.cursor != cursor
        if changed:
            await self._consumer.apply(response.changes, response.cursor)
        # After they are applied: the alert is about tables that are not up to date.
        self._read_at.set_to_current_time()
        if changed and self._pause and len(response.changes) < LIMIT:
            await sleep(self._pause, self._stop)
        return True

    async def _read(self, cursor: str) -> pb.ReadChangesResponse | None:
        """Return the next changes; None when the process stops meanwhile."""
        request = pb.ReadChangesRequest(cursor=cursor, limit=LIMIT, wait_seconds=WAIT)
        # The loop logs a failure once, not in each round.
        reading = asyncio.ensure_future(
            rpc_client.call(self._stub.ReadChanges, request, token=self._key, timeout=WAIT + ANSWER)
        )
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await reading if reading.done() else None
        finally:
            stopping.cancel()
            reading.cancel()
