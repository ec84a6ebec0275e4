"""Wires and runs the webhook process."""

import asyncio
from collections.abc import Callable
from functools import partial

from kit.http.server import Runner, serving
from kit.process import service
from kit.process.run import run
from kit.rpc.guard import Service
from protos.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc
from webhooks.access import ACCESS
from webhooks.app import Callbacks, refusal_body
from webhooks.callback import Owner
from webhooks.deliver import DeliveryWorker
from webhooks.metrics import Metrics
from webhooks.peers import Owners
from webhooks.servicer import WebhooksServicer
from webhooks.settings import Settings
from webhooks.upkeep import Upkeep

NEEDS = "046_receive_payment_events"
# Seconds that running deliveries and operators' calls get when the process stops.
GRACE = 10.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until `stop` is set; `started` gets the port once callbacks are accepted."""
    async with service.opened(settings.service, stop, owner="webhooks", needs=NEEDS) as opened:
        database, metrics = opened.database, Metrics()
        to_esims, to_orders = map(opened.peer, (settings.esims_address, settings.orders_address))
        owners = Owners(to_esims, to_orders, settings.sessions.service_role_key)
        workers = {
            owner: DeliveryWorker(
                *(owner, database, owners, metrics),
                max_attempts=settings.max_attempts,
                foreign_after=settings.foreign_seconds,
                stop=stop,
            )
            for owner in Owner
        }
        upkeep = Upkeep(database, metrics, retention_days=settings.retention_days, stop=stop)
        opened.loops.extend([*(worker.loop for worker in workers.values()), *upkeep.loops()])
        servicer = WebhooksServicer(database, [worker.loop.wake for worker in workers.values()])
        admin = Service(
            webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
            partial(webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server, servicer),
            ACCESS,
        )
        callbacks = Callbacks(
            *(settings, database, metrics, lambda owner: workers[owner].loop.wake()),
            payments=workers[Owner.PAYMENTS],
        )
        # Bodies are not decompressed, as the signature is over the received bytes.
        options = {"shutdown_timeout": GRACE, "auto_decompress": False}
        runner = Runner(callbacks.app(), refusal_body, settings.http, **options)
        async with (
            opened.serving(admin, variables="WEBHOOKS_ADMIN", grace=GRACE, loop_grace=GRACE),
            serving(runner, settings.host, settings.port, "WEBHOOKS") as port,
        ):
            started(port)
            await stop.wait()
            callbacks.stopping = True
            await asyncio.sleep(settings.drain_seconds)


if __name__ == "__main__":
    run("webhooks", 9401, Settings.read, Settings.secrets, serve)
