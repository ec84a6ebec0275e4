"""The gRPC methods of the exports service."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from kit.auth.sessions import SUFFICIENT, Role
from kit.db import exports as db_exports
from kit.db.database import Connection, Database
from kit.db.exports import BATCH, Batches, Exports, rows
from kit.reports import exports
from kit.reports.exports import Wanted
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from protos.common.v1 import exports_pb2 as common
from protos.orders.v1 import exports_pb2 as pb
from protos.orders.v1 import exports_pb2_grpc
from services.orders.exports import customer_rows, ledger_rows, order_rows, sale_rows
from services.orders.organizations import callers
from services.orders.organizations.membership import ACCOUNTING
from services.orders.reports import names_store, sales_store


class ExportsServicer(exports_pb2_grpc.ExportsServiceServicer):
    """Streams orders and money. `time_zone` is that of exports that name none."""

    def __init__(self, database: Database, exporting: Exports, time_zone: str) -> None:
        self._database = database
        self._exporting = exporting
        self._time_zone = time_zone

    async def ExportOrders(
        self, request: pb.ExportOrdersRequest, context: Context
    ) -> AsyncIterator[pb.ExportOrdersResponse]:
        wanted, costs = await self._authorized(exports.wanted(request))
        async with aclosing(
            self._stream("orders", pb.ExportOrdersResponse, wanted, _orders(wanted, costs=costs))
        ) as messages:
            async for message in messages:
                yield message

    def ExportSales(
        self, request: pb.ExportSalesRequest, context: Context
    ) -> AsyncIterator[pb.ExportSalesResponse]:
        wanted = self._in_zone(exports.wanted(request))

        async def batches(connection: Connection) -> AsyncIterator[list[pb.SaleRow]]:
            for month in sale_rows.months(await sale_rows.with_facts(connection, wanted.days)):
                given = (month.first, month.last, wanted.time_zone)
                async for batch in rows(connection, "export_sales", sale_rows.SALES, *given):
                    yield list(map(sale_rows.to_proto, batch))

        return self._stream("sales", pb.ExportSalesResponse, wanted, batches)

    def ExportLedger(
        self, request: pb.ExportLedgerRequest, context: Context
    ) -> AsyncIterator[pb.ExportLedgerResponse]:
        wanted = self._in_zone(exports.wanted(request))

        async def batches(connection: Connection) -> AsyncIterator[list[pb.LedgerRow]]:
            query = ledger_rows.LEDGER
            async for batch in rows(connection, "export_ledger", query, *wanted.parameters):
                yield list(map(ledger_rows.to_proto, batch))

        return self._stream("ledger", pb.ExportLedgerResponse, wanted, batches)

    def ExportCustomers(
        self, request: pb.ExportCustomersRequest, context: Context
    ) -> AsyncIterator[pb.ExportCustomersResponse]:
        wanted = self._in_zone(exports.wanted(request, needs_range=False))

        async def batches(connection: Connection) -> AsyncIterator[list[pb.CustomerRow]]:
            query, given = customer_rows.CUSTOMERS, wanted.parameters
            async for named in rows(connection, "export_customers", query, *given):
                ids = [row["customer_id"] for row in named]
                found = await connection.fetch(customer_rows.FIGURES_OF, *given, ids)
                # A customer has a row for each currency and organization.
                for start in range(0, len(found), BATCH):
                    yield list(map(customer_rows.to_proto, found[start : start + BATCH]))

        return self._stream("customers", pb.ExportCustomersResponse, wanted, batches)

    def _stream(
        self, kind: str, response: Any, wanted: Wanted, batches: Batches
    ) -> AsyncGenerator[Any, None]:
        async def head(connection: Connection) -> common.ExportHead:
            state = await sales_store.state(connection, wanted.time_zone)
            return exports.head(state.as_of, wanted.time_zone, complete=state.complete)

        return db_exports.messages(self._exporting, kind, response, wanted, head, batches)

    def _in_zone(self, wanted: Wanted) -> Wanted:
        return replace(wanted, time_zone=wanted.time_zone or self._time_zone)

    async def _authorized(self, wanted: Wanted) -> tuple[Wanted, bool]:
        """Return an export of orders with its zone, and whether the caller may see costs."""
        is_finance = rpc_guard.session().role in SUFFICIENT[Role.FINANCE]
        if wanted.organization_id is None:
            if not is_finance:
                raise exports.not_for_all()
            return self._in_zone(wanted), True
        async with self._database.system() as connection:
            await callers.authorize(
                connection, wanted.organization_id, ACCOUNTING, staff=Role.FINANCE
            )
            home = await names_store.home(connection, wanted.organization_id)
        return replace(wanted, time_zone=wanted.time_zone or home.time_zone), is_finance


def _orders(wanted: Wanted, *, costs: bool) -> Batches:
    async def batches(connection: Connection) -> AsyncIterator[list[pb.OrderRow]]:
        given = wanted.parameters
        if wanted.organization_id is None:
            found = rows(connection, "export_orders", order_rows.ALL, *given)
        else:
            query, own = order_rows.OF_ORGANIZATION, wanted.organization_id
            found = rows(connection, "export_own_orders", query, *given, own)
        async for batch in found:
            yield [order_rows.to_proto(row, costs=costs) for row in batch]

    return batches
