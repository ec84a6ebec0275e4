"""Follows the number of what is on offer, and says when it changed."""

import asyncio
import logging
import random
from collections.abc import Callable

from gateway.upstream.peers import Peers
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2

logger = logging.getLogger(__name__)

# Seconds between two attempts to listen: soon, as a change that isn't heard shows itself only by time.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


async def watch(peers: Peers, changed: Callable[[], None]) -> None:
    """Calls `changed` whenever the number is another than before, until it is cancelled.

    While the catalogue is away nothing is heard; what changed meanwhile is told once it is back.
    """
    last: int | None = None
    told = False
    pause = FIRST_PAUSE
    while True:
        stream = rpc_client.stream(
            peers.catalogue.WatchRevision, catalogue_pb2.WatchRevisionRequest(), token=None
        )
        try:
            async for message in stream:
                pause = FIRST_PAUSE
                if message.revision != last:
                    last = message.revision
                    peers.reads.forget()
                    changed()
        except Failure as failure:
            # The catalogue is older than this call, or has a fault of its own: it won't pass by itself.
            if failure.kind is Kind.INTERNAL and not told:
                logger.warning("changes of the catalogue are not received: %s", failure)
                told = True
        # Not all gateways at the same moment.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE)
