"""The calls of the eSIMs service about all that is kept of one customer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from kit.checks import Checks
from kit.db import Database
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import esims_pb2_grpc
from services.esims import customer
from services.esims.datasource import ESIMsDataSource

MOST_ICCIDS = 1_000


class CustomerCalls(esims_pb2_grpc.ESIMsServiceServicer):
    """Each method: checks, one call, the answer. The guard lets the service role key in."""

    _database: Database
    _source: ESIMsDataSource

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        checks = Checks()
        customer_id = checks.uuid("customer_id", request.customer_id)
        checks.done()
        for table, row in await customer.export(self._database, customer_id):
            yield pb.ExportCustomerResponse(table=table, row_json=row)

    async def EraseCustomer(
        self, request: pb.EraseCustomerRequest, context: Any
    ) -> pb.EraseCustomerResponse:
        checks = Checks()
        customer_id = checks.uuid("customer_id", request.customer_id)
        if len(request.iccids) > MOST_ICCIDS:
            checks.fail("iccids", f"must hold at most {MOST_ICCIDS}, not {len(request.iccids)}")
        wanted = [checks.iccid(f"iccids[{i}]", iccid) for i, iccid in enumerate(request.iccids)]
        checks.done()
        iccids = await customer.erase(self._database, customer_id, wanted)
        # Where they were, and what installs them.
        await asyncio.gather(*map(self._source.forget, iccids))
        return pb.EraseCustomerResponse(esims=len(iccids))
