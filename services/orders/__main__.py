"""The orders service as a process."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import aiohttp

from kit import background, process, provider_health, rpc, rpc_client
from kit.cache import Cache
from kit.db import Database
from kit.notify import Notices
from kit.provider import Provider
from kit.provider_shared import SharedTokens
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders.access import ACCESS, ACTS
from services.orders.cancellation.cancel import Cancellation
from services.orders.cancellation.examine import Examination
from services.orders.cancellation.preview import Previews
from services.orders.datasource import OrdersDataSource
from services.orders.live import CHANNEL, Live
from services.orders.metrics import Metrics
from services.orders.operators.audit import Audit
from services.orders.operators.retention import Retention
from services.orders.operators.review import Review
from services.orders.peers import Catalogue, ESIMs
from services.orders.purchase.advance import Purchase
from services.orders.purchase.charges import Charges
from services.orders.purchase.claim import Claims
from services.orders.purchase.deliver import Delivery
from services.orders.purchase.limits import PurchaseLimits
from services.orders.purchase.prices import Prices
from services.orders.purchase.settle import Settlement
from services.orders.recovery.recover import Recovery
from services.orders.servicer import OrdersServicer
from services.orders.settings import Settings

NEEDS = "036_wake_orders_without_a_turn"


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Runs until `stop` is set; `started` gets the port once calls are answered."""
    service, sessions = settings.service, settings.service.sessions
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        verifier = sessions.verifier(http)
        database = await Database.open(
            service.database_url, owner="orders", needs=NEEDS, stop=stop, pooled=service.pooled
        )
        stack.push_async_callback(database.close)
        notices = await stack.enter_async_context(Notices.open(service.notices_url, CHANNEL))
        cache = Cache.open(service.redis_url, namespace="orders")
        stack.push_async_callback(cache.close)
        to_catalogue = rpc_client.channel(settings.catalogue_address, service.tls)
        stack.push_async_callback(to_catalogue.close)
        to_esims = rpc_client.channel(settings.esims_address, service.tls)
        stack.push_async_callback(to_esims.close)

        provider = Provider(http, settings.provider, shared=SharedTokens(database))
        datasource = OrdersDataSource(provider, cache)
        catalogue = Catalogue(to_catalogue, timeout=settings.peer_wait)
        esims = ESIMs(to_esims, sessions.service_role_key, timeout=settings.peer_wait)
        metrics = Metrics()
        metrics.low_balance(settings.low_balance)
        settling = timedelta(seconds=settings.settling)
        tolerance = timedelta(seconds=settings.clock_tolerance)
        prices = Prices(
            datasource,
            ttl=timedelta(seconds=settings.price_ttl),
            tolerance=settings.price_tolerance,
            holds=timedelta(seconds=settings.price_holds),
        )
        charges = Charges(metrics, tolerance=settings.price_tolerance)
        settlement = Settlement(
            database,
            datasource,
            charges,
            settling=settling,
            tolerance=tolerance,
        )
        examination = Examination(database, datasource)
        cancellation = Cancellation(database, datasource, examination, esims)
        longest_run = settings.provider.timeout + settings.takeover
        recovery = Recovery(
            database,
            Purchase(
                database,
                datasource,
                Delivery(database, datasource, esims),
                settlement,
                prices,
                charges,
            ),
            cancellation,
            metrics,
            stop=stop,
            lease=timedelta(seconds=longest_run),
            every=settings.recovery_every,
        )
        provider.holds.on_release(recovery.wake)
        servicer = OrdersServicer(
            database,
            datasource,
            catalogue,
            settings.buyers,
            Claims(
                database,
                catalogue,
                esims,
                prices,
                PurchaseLimits(settings.purchase_limits, settings.most_unfinished, metrics),
            ),
            cancellation,
            Previews(examination),
            recovery,
            Live(database, notices),
            Review(
                database,
                datasource,
                recovery,
                charges,
                tolerance=tolerance,
            ),
            wait=settings.purchase_wait,
        )
        running = await rpc.start(
            rpc.Service(
                orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
                partial(orders_pb2_grpc.add_OrdersServiceServicer_to_server, servicer),
                ACCESS,
                ACTS,
            ),
            host=service.host,
            port=service.port,
            verifier=verifier,
            tls=service.tls,
            connection_age=service.connection_age,
            limits=service.limits,
            settings="ORDERS",
        )
        watch = background.start(recovery.watch(), "recover orders")
        audit = Audit(
            database,
            datasource,
            metrics,
            stop=stop,
            every=timedelta(seconds=settings.audit_every),
            settling=settling,
            tolerance=tolerance,
        )
        looking_around = background.start(audit.watch(), "compare with the provider")
        retention = Retention(database, days=settings.history_days, stop=stop)
        tidying = background.start(retention.watch(), "delete old history")
        tried = background.start(database.writes.watch(stop, running), "try to write")
        shown = background.start(
            provider_health.show(running, provider, stop), "show the provider's health"
        )
        started(running.port)
        await stop.wait()
        await asyncio.gather(shown, tried)
        await running.stop(drain=service.drain_seconds, grace=settings.purchase_wait)
        await asyncio.gather(watch, looking_around, tidying)
        # A purchase on its way is waited for: its answer is worth more than a quick stop.
        await recovery.finish(longest_run)


if __name__ == "__main__":
    process.run("orders", 9452, Settings.read, Settings.secrets, serve)
