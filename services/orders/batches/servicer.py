"""The gRPC methods of the batches service."""

import logging
from collections.abc import AsyncIterator

from kit.auth.sessions import Role
from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import batches_pb2_grpc
from services.orders.batches import find, messages, read_store, requests
from services.orders.batches.accept import Acceptance
from services.orders.batches.batch import Batch
from services.orders.batches.change import BatchChanges
from services.orders.batches.live import LiveBatches
from services.orders.batches.worker import BatchWorker
from services.orders.purchase.buyers import Buyers

logger = logging.getLogger(__name__)


class BatchesServicer(batches_pb2_grpc.BatchesServiceServicer):
    """Checks requests, and returns only what the caller's session may see.

    `pause` is the time between orders of batches, in seconds.
    """

    def __init__(
        self,
        database: Database,
        buyers: Buyers,
        acceptance: Acceptance,
        changes: BatchChanges,
        live: LiveBatches,
        worker: BatchWorker,
        *,
        pause: float,
    ) -> None:
        self._database = database
        self._buyers = buyers
        self._acceptance = acceptance
        self._changes = changes
        self._live = live
        self._worker = worker
        self._pause = pause

    async def ValidateBatch(
        self, request: pb.ValidateBatchRequest, context: Context
    ) -> pb.ValidateBatchResponse:
        session = rpc_guard.session()
        customer_id = self._buyers.check(session, request.batch.organization_id)
        wanted = requests.batch(request.batch, self._database.now())
        found = await self._acceptance.validate(session, customer_id, wanted)
        return messages.validated_to_proto(found, self._pause)

    async def CreateBatch(
        self, request: pb.CreateBatchRequest, context: Context
    ) -> pb.CreateBatchResponse:
        session = rpc_guard.session()
        customer_id = self._buyers.check(session, request.batch.organization_id)
        key = requests.key(request.idempotency_key)
        wanted = requests.batch(request.batch, self._database.now())
        accepted = await self._acceptance.create(session, customer_id, wanted, key)
        self._worker.wake()
        return pb.CreateBatchResponse(
            batch=self._to_proto(accepted.batch), repeated_request=accepted.repeated
        )

    async def GetBatch(self, request: pb.GetBatchRequest, context: Context) -> pb.GetBatchResponse:
        batch_id = checks.one_id("batch_id", request.batch_id)
        found = await find.one(self._database, rpc_guard.session(), batch_id)
        return pb.GetBatchResponse(batch=self._to_proto(found))

    async def ListBatches(
        self, request: pb.ListBatchesRequest, context: Context
    ) -> pb.ListBatchesResponse:
        session = rpc_guard.session()
        organization_id, size, after = requests.listing(request)
        async with self._database.session(session) as connection:
            # One more than requested, to find out if there is a next page.
            found = await read_store.page(
                connection, organization_id, session.user_id, after, size + 1
            )
        async with self._database.system() as connection:
            page = await read_store.counted(connection, found[:size])
        return pb.ListBatchesResponse(
            batches=map(self._to_proto, page),
            next_page_token=requests.next_page(request, page[-1]) if len(found) > size else "",
            row_tokens=[requests.next_page(request, one) for one in page]
            if request.with_row_tokens
            else [],
        )

    async def ListBatchItems(
        self, request: pb.ListBatchItemsRequest, context: Context
    ) -> pb.ListBatchItemsResponse:
        batch_id, statuses, after, size = requests.items(request)
        session = rpc_guard.session()
        batch = await find.one(self._database, session, batch_id)
        async with self._database.system() as connection:
            found = await read_store.items(connection, batch_id, after, statuses, size + 1)
        page = found[:size]
        return pb.ListBatchItemsResponse(
            items=[
                messages.item_to_proto(
                    item, batch.currency, with_esims=not find.only_reads(session, batch)
                )
                for item in page
            ],
            next_position=page[-1].position if len(found) > size else 0,
        )

    async def ListBatchESIMs(
        self, request: pb.ListBatchESIMsRequest, context: Context
    ) -> pb.ListBatchESIMsResponse:
        session = rpc_guard.session()
        batch_id, size, after = requests.esims(request)
        await find.own(self._database, session, batch_id)
        async with self._database.system() as connection:
            found = await read_store.esims(connection, batch_id, after, size + 1)
        page = found[:size]
        logger.info(
            "activation codes of batch %s: %d read by %s",
            *(batch_id, len(page), session.user_id or "service"),
        )
        last = page[-1] if len(found) > size else None
        return pb.ListBatchESIMsResponse(
            esims=map(messages.esim_to_proto, page),
            next_page_token=requests.next_esims(request, last.position, last.esim.iccid)
            if last
            else "",
        )

    async def CancelBatch(
        self, request: pb.CancelBatchRequest, context: Context
    ) -> pb.CancelBatchResponse:
        session = rpc_guard.session()
        batch_id = checks.one_id("batch_id", request.batch_id)
        actor = str(session.user_id or "service")
        found = await self._changes.cancel(session, batch_id, actor)
        self._worker.wake()
        return pb.CancelBatchResponse(batch=self._to_proto(found))

    async def RetryBatch(
        self, request: pb.RetryBatchRequest, context: Context
    ) -> pb.RetryBatchResponse:
        session = rpc_guard.session()
        batch_id = checks.one_id("batch_id", request.batch_id)
        if session.role is not Role.SERVICE:
            # A retry buys, and the caller's right to buy may have changed since the batch was created.
            batch = await find.own(self._database, session, batch_id)
            self._buyers.check(session, str(batch.organization_id or ""))
        found = await self._changes.retry(session, batch_id)
        self._worker.wake()
        return pb.RetryBatchResponse(batch=self._to_proto(found))

    async def WatchBatch(
        self, request: pb.WatchBatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchBatchResponse]:
        session = rpc_guard.session()
        async for batch in self._live.watch(session, checks.one_id("batch_id", request.batch_id)):
            yield pb.WatchBatchResponse(batch=self._to_proto(batch))

    def _to_proto(self, batch: Batch) -> pb.Batch:
        return messages.batch_to_proto(batch, self._pause, self._database.now())
