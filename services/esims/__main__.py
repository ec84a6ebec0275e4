"""Wires and runs the eSIMs service."""

import asyncio
from collections.abc import Callable
from functools import partial

from kit.process import service
from kit.process.run import run
from kit.rpc.guard import Service
from kit.values.clock import Clock
from protos.esims.v1 import esims_pb2, esims_pb2_grpc, travelers_pb2, travelers_pb2_grpc
from providers.esim_go.connect import connect as connect_provider
from services.esims.access import ACCESS
from services.esims.exports import wiring as exports
from services.esims.live import CHANNEL
from services.esims.reports import wiring as reports
from services.esims.servicer import ESIMsServicer
from services.esims.settings import Settings
from services.esims.travelers import access as travelers_access
from services.esims.travelers.servicer import TravelersServicer
from services.esims.wiring import wired

NEEDS = "069_export_esims"
# Seconds for calls that run when the process stops: nearly all end within two.
GRACE = 10.0


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    started: Callable[[int], None] = lambda port: None,
    clock: Clock | None = None,
) -> None:
    """Serve until `stop` is set; `started` gets the port once calls are answered.

    Bundles end by `clock`, which tests move forward.
    """
    async with service.opened(settings.service, stop, owner="esims", needs=NEEDS) as opened:
        if settings.orders_address:
            opened.trust_api_keys(settings.orders_address)
        made = wired(
            opened,
            connect_provider(opened, settings.provider),
            await opened.notifications(CHANNEL),
            clock or opened.database.clock,
            settings,
        )
        esims = Service(
            esims_pb2.DESCRIPTOR.services_by_name["ESIMsService"],
            partial(esims_pb2_grpc.add_ESIMsServiceServicer_to_server, ESIMsServicer(made.esims)),
            ACCESS,
        )
        travelers = Service(
            travelers_pb2.DESCRIPTOR.services_by_name["TravelersService"],
            partial(
                travelers_pb2_grpc.add_TravelersServiceServicer_to_server,
                TravelersServicer(made.travelers),
            ),
            travelers_access.ACCESS,
        )
        reading = opened.reports(settings.reports, owner="esims", needs=reports.NEEDS)
        zone = settings.reports.time_zone
        # A round of a loop that is cut off is due again when its lease expires.
        async with opened.serving(
            esims,
            travelers,
            made.changes,
            reports.service(opened.database, reading, zone),
            exports.service(opened.database, reading, zone),
            variables="ESIMS",
            grace=GRACE,
        ) as port:
            started(port)
            await stop.wait()


if __name__ == "__main__":
    run("esims", 9453, Settings.read, Settings.secrets, serve)
