"""Watches the catalogue's revision, so that caches are cleared when it changes."""

import asyncio
import logging
from collections.abc import Callable

from gateway.upstream.peers import Peers
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.values.jitter import shortened
from protos.catalogue.v1 import catalogue_pb2

logger = logging.getLogger(__name__)

# Seconds between attempts to reconnect. Short, because cached responses stay stale meanwhile.
FIRST_PAUSE = 0.2
MAX_PAUSE = 5.0


async def watch(peers: Peers, changed: Callable[[], None] | None) -> None:
    """Forget what was read before whenever the revision changes, and call `changed`; until cancelled.

    A change while the catalogue is unreachable is noticed after reconnecting.
    """
    last: int | None = None
    warned = False
    pause = FIRST_PAUSE
    while True:
        stream = rpc_client.stream(
            peers.catalogue.WatchRevision, catalogue_pb2.WatchRevisionRequest(), token=None
        )
        try:
            async for message in stream:
                pause = FIRST_PAUSE
                peers.plans.changed()
                if message.revision != last:
                    last = message.revision
                    peers.reads.forget()
                    if changed is not None:
                        changed()
        except Failure as failure:
            # The catalogue has a fault, or is too old for this call: a retry alone won't help.
            if failure.kind is Kind.INTERNAL and not warned:
                logger.warning("changes of the catalogue are not received: %s", failure)
                warned = True
        finally:
            peers.plans.unwatched()
        # With jitter, so that gateways don't reconnect all at once.
        await asyncio.sleep(shortened(pause, 0.5))
        pause = min(2 * pause, MAX_PAUSE)
