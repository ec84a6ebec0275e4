"""The parts of batches, and how they depend on each other."""

import asyncio
from dataclasses import dataclass
from functools import partial

from kit.background import Loop
from kit.db.database import Database
from kit.db.notify import Notifications
from kit.rpc.guard import Service
from protos.orders.v1 import batches_pb2, batches_pb2_grpc
from services.orders.batches.accept import Acceptance
from services.orders.batches.access import ACCESS
from services.orders.batches.change import BatchChanges
from services.orders.batches.live import LiveBatches
from services.orders.batches.members import Buyers
from services.orders.batches.metrics import BatchMetrics
from services.orders.batches.servicer import BatchesServicer
from services.orders.batches.validation import Validation
from services.orders.batches.worker import BatchWorker
from services.orders.payments.opening.opening import Openings
from services.orders.peers import Catalogue, ESIMs
from services.orders.purchase import buyers
from services.orders.purchase.claim import Claims


@dataclass(frozen=True, slots=True)
class BatchParts:
    """What serves batches, and works on them."""

    service: Service
    loop: Loop


def parts(
    database: Database,
    catalogue: Catalogue,
    esims: ESIMs,
    openings: Openings,
    claims: Claims,
    notifications: Notifications,
    rules: buyers.Buyers,
    key: str,
    *,
    pause: float,
    stop: asyncio.Event,
    every: float,
) -> BatchParts:
    """Make the parts; `key` is the service role key, and times are in seconds."""
    validation, who = Validation(database, catalogue, esims), Buyers(database, openings)
    worker = BatchWorker(database, claims, BatchMetrics(), key, stop=stop, every=every)
    servicer = BatchesServicer(
        database,
        rules,
        Acceptance(database, validation, who),
        BatchChanges(database, validation, who),
        LiveBatches(database, notifications),
        worker,
        pause=pause,
    )
    service = Service(
        batches_pb2.DESCRIPTOR.services_by_name["BatchesService"],
        partial(batches_pb2_grpc.add_BatchesServiceServicer_to_server, servicer),
        ACCESS,
    )
    return BatchParts(service, worker.loop())
