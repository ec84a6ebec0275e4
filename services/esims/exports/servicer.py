"""The gRPC methods of the exports service."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from kit.auth.sessions import SUFFICIENT, Role
from kit.db import exports as db_exports
from kit.db.database import Connection, Database
from kit.db.exports import Exports, rows
from kit.reports import exports
from kit.reports.exports import Wanted
from kit.reports.statement import AS_OF
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from protos.common.v1 import exports_pb2 as common
from protos.esims.v1 import exports_pb2 as pb
from protos.esims.v1 import exports_pb2_grpc
from services.esims.exports import esim_rows, usage_rows
from services.esims.reports.servicer import ACCOUNTING
from services.esims.travelers import membership_store


class ExportsServicer(exports_pb2_grpc.ExportsServiceServicer):
    """Streams eSIMs and usage. `time_zone` is that of exports that name none."""

    def __init__(self, database: Database, exporting: Exports, time_zone: str) -> None:
        self._database = database
        self._exporting = exporting
        self._time_zone = time_zone

    async def ExportESIMs(
        self, request: pb.ExportESIMsRequest, context: Context
    ) -> AsyncIterator[pb.ExportESIMsResponse]:
        wanted = await self._authorized(exports.wanted(request, needs_range=False))

        async def head(connection: Connection) -> common.ExportHead:
            return exports.head(await connection.fetchval(f"select {AS_OF}"), wanted.time_zone)

        async def batches(connection: Connection) -> AsyncIterator[list[pb.ESIMRow]]:
            query = _query(esim_rows.ALL, esim_rows.OF_ORGANIZATION, wanted)
            async for batch in rows(connection, "export_esims", *query):
                yield list(map(esim_rows.to_proto, batch))

        async with aclosing(
            db_exports.messages(
                self._exporting, "eSIMs", pb.ExportESIMsResponse, wanted, head, batches
            )
        ) as messages:
            async for message in messages:
                yield message

    async def ExportUsage(
        self, request: pb.ExportUsageRequest, context: Context
    ) -> AsyncIterator[pb.ExportUsageResponse]:
        wanted = await self._authorized(exports.wanted(request))

        async def head(connection: Connection) -> common.ExportHead:
            complete = await usage_rows.require_summed(connection, wanted)
            as_of = await connection.fetchval(f"select {AS_OF}")
            return exports.head(as_of, wanted.time_zone, complete=complete)

        async def batches(connection: Connection) -> AsyncIterator[list[pb.UsageRow]]:
            query = _query(usage_rows.ALL, usage_rows.OF_ORGANIZATION, wanted)
            async for batch in rows(connection, "export_usage", *query):
                yield list(map(usage_rows.to_proto, batch))

        async with aclosing(
            db_exports.messages(
                self._exporting, "usage", pb.ExportUsageResponse, wanted, head, batches
            )
        ) as messages:
            async for message in messages:
                yield message

    async def _authorized(self, wanted: Wanted) -> Wanted:
        """Return an export with its zone; raises Failure if the caller may not have it."""
        caller = rpc_guard.session()
        if caller.role not in SUFFICIENT[Role.FINANCE]:
            if wanted.organization_id is None:
                raise exports.not_for_all()
            if caller.user_id is None:
                raise membership_store.not_found()
            async with self._database.system() as connection:
                await membership_store.require(
                    connection, wanted.organization_id, caller.user_id, ACCOUNTING
                )
        return replace(wanted, time_zone=wanted.time_zone or self._time_zone)


def _query(whole: str, own: str, wanted: Wanted) -> tuple[Any, ...]:
    """Return the statement with its parameters, for all rows or for those of the organization."""
    if wanted.organization_id is None:
        return whole, *wanted.parameters
    return own, *wanted.parameters, wanted.organization_id
