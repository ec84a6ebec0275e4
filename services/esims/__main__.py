"""Wires and runs the eSIMs service."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import aiohttp

from kit import background, process, provider_health, rpc
from kit.cache import Cache
from kit.clock import Clock
from kit.db import Database
from kit.notify import Notices
from kit.provider import Provider
from kit.provider_shared import SharedTokens
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from services.esims.access import ACCESS, ACTS
from services.esims.callbacks.apply import Events
from services.esims.datasource import ESIMsDataSource
from services.esims.live import CHANNEL, Live
from services.esims.refresh import Refresh
from services.esims.register import Registration
from services.esims.rounds import Rounds
from services.esims.servicer import ESIMsServicer, Parts
from services.esims.settings import Settings
from services.esims.snapshots.expire import Endings
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow import Watch
from services.esims.snapshots.locate import Locations
from services.esims.suspend import Suspension
from services.esims.update_reference import References

NEEDS = "027_find_ended_bundles"
# Seconds for calls that run when the process stops: nearly all end within two.
GRACE = 10.0


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    started: Callable[[int], None] = lambda port: None,
    clock: Clock | None = None,
) -> None:
    """Runs until `stop`; `started` is told the port as soon as calls are answered.

    `clock` is for who moves time on: bundles end by it.
    """
    async with AsyncExitStack() as stack:
        clock = clock or Clock()
        http = await stack.enter_async_context(aiohttp.ClientSession())
        database = await Database.open(
            settings.service.database_url,
            owner="esims",
            needs=NEEDS,
            stop=stop,
            pooled=settings.service.pooled,
        )
        stack.push_async_callback(database.close)
        cache = Cache.open(settings.service.redis_url, namespace="esims")
        stack.push_async_callback(cache.close)
        provider = Provider(http, settings.provider, shared=SharedTokens(database))
        source = ESIMsDataSource(provider, cache)
        fetcher = Fetcher(
            database,
            source,
            fresh_for=settings.fresh_for,
            wait=settings.read_wait,
            clock=clock,
        )
        stack.push_async_callback(fetcher.close)
        notices = await stack.enter_async_context(
            Notices.open(settings.service.notices_url, CHANNEL)
        )
        references = References(database, source, clock)
        locations = Locations(database, source, clock)
        stack.push_async_callback(locations.close)
        rounds = Rounds(
            Watch(database, fetcher, clock).look,
            references.send_pending,
            Endings(database, clock).expire,
        )
        following = background.start(rounds.run(), "follow eSIMs")
        stack.push_async_callback(_end, following)
        parts = Parts(
            database=database,
            clock=clock,
            source=source,
            fetcher=fetcher,
            registration=Registration(database, clock, rounds.wake),
            suspension=Suspension(database, source, fetcher, clock),
            references=references,
            refresh=Refresh(database, source, fetcher, clock),
            events=Events(database, clock, source.forget, rounds.wake, locations.look_up),
            live=Live(database, notices, fetcher, clock),
        )
        service = rpc.Service(
            esims_pb2.DESCRIPTOR.services_by_name["ESIMsService"],
            lambda server: esims_pb2_grpc.add_ESIMsServiceServicer_to_server(
                ESIMsServicer(parts), server
            ),
            ACCESS,
            ACTS,
        )
        verifier = settings.service.sessions.verifier(http)
        running = await rpc.start(
            service,
            host=settings.service.host,
            port=settings.service.port,
            verifier=verifier,
            tls=settings.service.tls,
            connection_age=settings.service.connection_age,
            limits=settings.service.limits,
            settings="ESIMS",
        )
        tried = background.start(database.writes.watch(stop, running), "try to write")
        shown = background.start(
            provider_health.show(running, provider, stop), "show the provider's health"
        )
        started(running.port)
        await stop.wait()
        await asyncio.gather(shown, tried)
        await running.stop(drain=settings.service.drain_seconds, grace=GRACE)


async def _end(following: "asyncio.Task[None]") -> None:
    """What it was at is due again when its lease ends."""
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


if __name__ == "__main__":
    process.run("esims", 9453, Settings.read, Settings.secrets, serve)
