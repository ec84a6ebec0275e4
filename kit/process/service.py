"""The composition root that all gRPC services share: opens their connections, serves calls, and stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import grpc

from kit import background
from kit.auth.jwks import KeySource
from kit.background import Loop
from kit.cache.cache import Cache
from kit.db.database import Database
from kit.db.health import WATCH_EVERY
from kit.db.notify import Notifications
from kit.db.reports import ReportsDatabase
from kit.process import issuers
from kit.process.settings import ServiceSettings
from kit.reports.settings import ReportSettings
from kit.rpc import client as rpc_client
from kit.rpc import readiness, server
from kit.rpc.guard import Service
from kit.rpc.health import Health
from kit.telemetry import metrics


@dataclass(slots=True)
class Opened:
    """The connections of a service. `closing` closes them, and what the service adds, in reverse order.

    `loops` run while the service serves calls. `health` holds the states of its health service.
    """

    settings: ServiceSettings
    stop: asyncio.Event
    closing: AsyncExitStack
    http: aiohttp.ClientSession
    database: Database
    cache: Cache
    health: Health = field(default_factory=Health)
    loops: list[Loop] = field(default_factory=list)
    # Where the keys of API keys' tokens are, if those are trusted besides the tokens of Supabase Auth.
    api_keys: KeySource | None = None

    async def notifications(self, channel: str) -> Notifications:
        """Listen to a channel of PostgreSQL notifications."""
        return await self.closing.enter_async_context(
            Notifications.open(self.settings.listen_url, channel)
        )

    def reports(self, settings: ReportSettings, *, owner: str, needs: str) -> ReportsDatabase:
        """Return where reports and exports are read, once the migration `needs` is applied there."""
        found = ReportsDatabase(
            self.database,
            settings.database_url,
            owner=owner,
            needs=needs,
            pooled=self.settings.pooled,
        )
        self.closing.push_async_callback(found.close)
        return found

    def peer(self, address: str) -> grpc.aio.Channel:
        """Return a channel to another service."""
        channel = rpc_client.channel(address, self.settings.tls)
        self.closing.push_async_callback(channel.close)
        return channel

    def trust_api_keys(self, address: str) -> None:
        """Trust the tokens of API keys, which the service at that address issues."""
        key = self.settings.sessions.service_role_key
        self.api_keys = issuers.api_keys(self.peer(address), key)

    @asynccontextmanager
    async def serving(
        self, *services: Service, variables: str, grace: float, loop_grace: float = 0
    ) -> AsyncIterator[int]:
        """Serve calls and run the loops within the block, and yield the port.

        `variables` is the common prefix of the settings for host and port. At the end, calls get `grace`
        seconds to finish after the drain, and then the rounds of the loops get `loop_grace` seconds.
        """
        settings = self.settings
        running = await server.start(
            *services,
            host=settings.host,
            port=settings.port,
            verifier=settings.sessions.verifier(self.http, self.api_keys),
            tls=settings.tls,
            connection_age=settings.connection_age,
            limits=settings.limits,
            settings=variables,
            health=self.health,
        )
        async with AsyncExitStack() as ending:
            loops = background.running(*self.loops, grace=loop_grace)
            await ending.enter_async_context(loops)
            ending.push_async_callback(running.stop, drain=settings.drain_seconds, grace=grace)
            yield running.port


@asynccontextmanager
async def opened(
    settings: ServiceSettings, stop: asyncio.Event, *, owner: str, needs: str
) -> AsyncIterator[Opened]:
    """Open an HTTP client, the owner's database with the migration `needs`, and a cache."""
    # Before the wait for the database, which may last.
    metrics.gauge(
        "esimgo_ready", "1 while this process accepts calls; 0 while it starts, waits or stops"
    ).set_function(lambda: float(readiness.ready() is True))
    async with AsyncExitStack() as closing:
        http = await closing.enter_async_context(aiohttp.ClientSession())
        database = await Database.open(
            settings.database_url, owner=owner, needs=needs, stop=stop, pooled=settings.pooled
        )
        closing.push_async_callback(database.close)
        cache = Cache.open(settings.redis_url, namespace=owner)
        closing.push_async_callback(cache.close)
        parts = Opened(settings, stop, closing, http, database, cache)
        watch = partial(database.writes.watch, parts.health)
        parts.loops.append(Loop("try to write", watch, stop, every=WATCH_EVERY))
        yield parts
