"""Wires and runs the catalogue service."""

import asyncio
from collections.abc import Callable
from functools import partial

from kit.process import garbage, service
from kit.process.run import run
from kit.rpc.guard import Service
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc, prices_pb2, prices_pb2_grpc
from providers.esim_go.connect import connect as connect_provider
from services.catalogue.access import ACCESS, PRICES_ACCESS
from services.catalogue.live import CHANNEL
from services.catalogue.settings import Settings
from services.catalogue.wiring import wired

NEEDS = "042_curate_plans"
# Seconds that calls in progress get when the process stops; none takes longer.
GRACE = 10.0


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Run the service in its own process until `stop` is set."""
    await serve(settings, stop, lambda port: garbage.settle())


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until `stop` is set; `started` gets the port once calls are answered."""
    async with service.opened(settings.service, stop, owner="catalogue", needs=NEEDS) as opened:
        if settings.orders_address:
            opened.trust_api_keys(settings.orders_address)
        provider = connect_provider(opened, settings.provider)
        notifications = await opened.notifications(CHANNEL)
        servicer, prices_servicer, sync = wired(opened, settings, provider, notifications)
        catalogue = Service(
            catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"],
            partial(catalogue_pb2_grpc.add_CatalogueServiceServicer_to_server, servicer),
            ACCESS,
        )
        prices = Service(
            prices_pb2.DESCRIPTOR.services_by_name["PricesService"],
            partial(prices_pb2_grpc.add_PricesServiceServicer_to_server, prices_servicer),
            PRICES_ACCESS,
        )
        async with opened.serving(catalogue, prices, variables="CATALOGUE", grace=GRACE) as port:
            started(port)
            await stop.wait()
            await sync.cancel()  # before the server stops, so that its followers get the result


if __name__ == "__main__":
    run("catalogue", 9451, Settings.read, Settings.secrets, main)
