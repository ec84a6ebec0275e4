"""Exports over gRPC, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import grpc

from kit.auth.sessions import Verifier
from kit.db.exports import DEFAULTS, Exports, Limits
from kit.db.reports import ReportsDatabase
from kit.rpc.guard import Service
from kit.rpc.server import CONNECTION_AGE, start
from kit.values import money
from protos.common.v1 import days_pb2
from protos.orders.v1 import exports_pb2 as pb
from protos.orders.v1 import exports_pb2_grpc
from services.orders.exports import access
from services.orders.exports.servicer import ExportsServicer
from services.orders.reports.wiring import NEEDS
from tests.component.orders.shop import Metadata
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth

REQUESTS = {
    "Orders": pb.ExportOrdersRequest,
    "Sales": pb.ExportSalesRequest,
    "Ledger": pb.ExportLedgerRequest,
    "Customers": pb.ExportCustomersRequest,
}
ALWAYS = days_pb2.DayRange(from_day="2000-01-01", to_day="2999-12-31")


@dataclass
class Exporting:
    """A service of exports, and its finance staff."""

    stub: Any
    finance: Metadata

    def call(self, kind: str, who: Metadata | None = None, **fields: Any) -> Any:
        fields.setdefault("range", ALWAYS)
        request = REQUESTS[kind](**fields)
        return getattr(self.stub, f"Export{kind}")(request, metadata=who or self.finance)

    async def messages(self, kind: str, who: Metadata | None = None, **fields: Any) -> list[Any]:
        return [message async for message in self.call(kind, who, **fields)]

    async def rows(self, kind: str, who: Metadata | None = None, **fields: Any) -> list[Any]:
        """Return all rows; the first message has the head."""
        messages = await self.messages(kind, who, **fields)
        assert messages[0].HasField("head")
        assert not any(message.HasField("head") for message in messages[1:])
        return [row for message in messages for row in message.rows]


async def session(auth: Auth, email: str, role: str | None = None) -> Metadata:
    return (("authorization", f"Bearer {await auth.token(email, role=role)}"),)


@asynccontextmanager
async def exporting(
    databases: Databases,
    auth: Auth,
    limits: Limits = DEFAULTS,
    *,
    url: str | None = None,
    connection_age: float = CONNECTION_AGE,
) -> AsyncIterator[Exporting]:
    """Serve exports alone, so that nothing else changes the database; they are read at `url`."""
    verifier = Verifier(
        supabase_url=auth.url, service_role_key=auth.service_role_key, http=auth.http
    )
    async with databases.open("orders") as database:
        reading = ReportsDatabase(database, url, owner="orders", needs=NEEDS)
        servicer = ExportsServicer(database, Exports(reading, limits), "UTC")
        service = Service(
            pb.DESCRIPTOR.services_by_name["ExportsService"],
            partial(exports_pb2_grpc.add_ExportsServiceServicer_to_server, servicer),
            access.ACCESS,
        )
        server = await start(
            service, host="127.0.0.1", port=0, verifier=verifier, connection_age=connection_age
        )
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                stub = exports_pb2_grpc.ExportsServiceStub(channel)
                yield Exporting(stub, await session(auth, "finance@example.com", "finance"))
        finally:
            await server.stop(drain=0, grace=0)
            await reading.close()


def amount(value: Any) -> tuple[Decimal, str]:
    return money.from_proto(value), value.currency_code
