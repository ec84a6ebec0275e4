"""Wires and runs the orders service."""

import asyncio
from collections.abc import Callable
from functools import partial

from kit.process import service
from kit.process.run import run
from kit.rpc.guard import Service
from protos.orders.v1 import (
    books_pb2,
    books_pb2_grpc,
    coupons_pb2,
    coupons_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
)
from providers.esim_go.connect import connect as connect_provider
from services.orders.access import ACCESS
from services.orders.books import access as books_access
from services.orders.coupons import access as coupons_access
from services.orders.live import CHANNEL
from services.orders.payments import access as payments_access
from services.orders.settings import Settings
from services.orders.wiring import wired

NEEDS = "079_record_sales_by_keys"
# Seconds that running rounds of background work get when the process stops.
LOOP_GRACE = 10.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until `stop` is set; `started` gets the port once calls are answered."""
    async with service.opened(settings.service, stop, owner="orders", needs=NEEDS) as opened:
        provider = connect_provider(opened, settings.provider)
        notifications = await opened.notifications(CHANNEL)
        made = wired(opened, settings, provider, notifications)
        orders = Service(
            orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
            partial(orders_pb2_grpc.add_OrdersServiceServicer_to_server, made.orders),
            ACCESS,
        )
        coupons = Service(
            coupons_pb2.DESCRIPTOR.services_by_name["CouponsService"],
            partial(coupons_pb2_grpc.add_CouponsServiceServicer_to_server, made.coupons),
            coupons_access.ACCESS,
        )
        payments = Service(
            payments_pb2.DESCRIPTOR.services_by_name["PaymentsService"],
            partial(payments_pb2_grpc.add_PaymentsServiceServicer_to_server, made.payments),
            payments_access.ACCESS,
        )
        books = Service(
            books_pb2.DESCRIPTOR.services_by_name["BooksService"],
            partial(books_pb2_grpc.add_BooksServiceServicer_to_server, made.books),
            books_access.ACCESS,
        )
        grace = settings.purchase_wait
        async with opened.serving(
            *(orders, coupons, payments, books, *made.further),
            variables="ORDERS",
            grace=grace,
            loop_grace=LOOP_GRACE,
        ) as port:
            started(port)
            await stop.wait()
        # Wait for purchases in flight: an answer that is lost has to be settled later.
        await made.recovery.finish(settings.longest_run)
        await made.looks.finish(settings.stripe.timeout)


if __name__ == "__main__":
    run("orders", 9452, Settings.read, Settings.secrets, serve)
