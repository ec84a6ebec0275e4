"""The parts of the esims service without its server, for tests of background work and SQL statements."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from kit.cache.cache import Cache
from kit.db.database import Database
from kit.values.clock import Clock
from providers.esim_go.client import Provider, ProviderSettings
from services.esims.datasource import ESIMsDataSource
from services.esims.delivery_store import Delivery
from services.esims.esim import ESIM
from services.esims.register import Registration
from services.esims.settings import FRESH_FOR
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow import Poller
from services.esims.update_reference import ReferenceUpdates
from tests.component.esims.running import BUNDLE, buy
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import ProviderSandbox


class SteppedClock(Clock):
    """Wall time that a test steps forward, and may stop in between; waiting still takes real time."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._stopped: datetime | None = None

    def wall(self) -> datetime:
        return (self._stopped or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """Let no more time pass than the test says, however slow the machine is."""
        self._stopped = datetime.now(UTC)


@dataclass
class Parts:
    """One of each part that `serve` wires; every SQL statement is recorded."""

    provider: ProviderSandbox
    databases: Databases
    database: Database
    source: ESIMsDataSource
    clock: SteppedClock
    fetcher: Fetcher
    registration: Registration
    references: ReferenceUpdates
    poller: Poller
    statements: list[str] = field(default_factory=list)

    async def deliver(self, quantity: int = 1, **fields: Any) -> list[ESIM]:
        """Buy at the sandbox and register the delivery."""
        delivered = await buy(self.provider, quantity=quantity)
        delivery = Delivery(
            **{
                "order_id": delivered.order_id,
                "plan_id": uuid4(),
                "customer_id": uuid4(),
                "order_reference": delivered.reference,
                "bundle_name": BUNDLE,
                "customer_ref": "",
                "auto_activate": False,
                **fields,
            }
        )
        rows = [(e["iccid"], e["matchingId"], e["smdpAddress"]) for e in delivered.esims]
        return await self.registration.register(delivery, rows)

    async def status(self, esim_id: UUID) -> str:
        return str(
            await self.databases.admin.fetchval(
                "select status from esims.esims where id = $1", esim_id
            )
        )

    async def asked(self, part: str, status: int | None = None) -> int:
        """Count the requests at the provider whose path contains `part`, or that had this status."""
        log = (await self.provider.control("GET", "/requests"))["requests"]
        return sum(
            part in request["path"] and status in (None, request["status"]) for request in log
        )


@asynccontextmanager
async def wired(databases: Databases, provider: ProviderSandbox) -> AsyncIterator[Parts]:
    """Wire the parts; callers wait for a refresh without a limit."""
    async with AsyncExitStack() as stack:
        statements: list[str] = []

        async def note_statements(connection: Any) -> None:
            connection.add_query_logger(lambda record: statements.append(record.query))

        pool = await stack.enter_async_context(
            asyncpg.create_pool(
                databases.url("esims"), min_size=1, max_size=4, init=note_statements
            )
        )
        database = Database(pool, "esims")
        cache = Cache.open(None, namespace="esims")
        stack.push_async_callback(cache.close)
        settings = ProviderSettings(provider.url, provider.api_key, timeout=PATIENCE, attempts=1)
        source = ESIMsDataSource(Provider(provider.http, settings), cache)
        clock = SteppedClock()
        fetcher = Fetcher(database, source, fresh_for=FRESH_FOR, wait=PATIENCE, clock=clock)
        stack.push_async_callback(fetcher.close)
        yield Parts(
            provider=provider,
            databases=databases,
            database=database,
            source=source,
            clock=clock,
            fetcher=fetcher,
            registration=Registration(database, clock, lambda: None),
            references=ReferenceUpdates(database, source, clock),
            poller=Poller(database, fetcher, clock),
            statements=statements,
        )
