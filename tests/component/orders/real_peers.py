"""The real catalogue and esims services beside the orders service, with the sandbox's catalogue synced."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

import services.catalogue.__main__
import services.catalogue.settings
import services.esims.__main__
import services.esims.settings
from kit.values.env import Env
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc, prices_pb2_grpc
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from protos.orders.v1 import coupons_pb2_grpc, orders_pb2, orders_pb2_grpc
from tests.component.orders.shop import Metadata, Shop, patient_channel, request


def environment(shop: Shop) -> dict[str, str]:
    """The environment variables of all three services."""
    sessions = shop.settings.service.sessions
    values = {
        "SUPABASE_URL": sessions.supabase_url,
        "SUPABASE_SERVICE_ROLE_KEY": sessions.service_role_key,
        "ESIM_GO_BASE_URL": shop.settings.provider.base_url,
        "ESIM_GO_API_KEY": shop.settings.provider.api_key,
        "CATALOGUE_ADDRESS": shop.settings.catalogue_address,
        "ESIMS_ADDRESS": shop.settings.esims_address,
        "ORDERS_PEER_SECONDS": "60",  # a slow machine is not a failure
        "ESIM_GO_TIMEOUT": "120",
        "ORDERS_PURCHASE_WAIT": "25",
        "DRAIN_SECONDS": "0",
    }
    for owner in ("catalogue", "orders", "esims"):
        values[f"{owner.upper()}_PORT"] = "0"
        values[f"{owner.upper()}_DATABASE_URL"] = shop.databases.url(owner)
    return values


@dataclass
class Platform:
    shop: Shop
    channel: grpc.aio.Channel  # to the orders service
    catalogue: "catalogue_pb2_grpc.CatalogueServiceAsyncStub"
    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    esims: "esims_pb2_grpc.ESIMsServiceAsyncStub"
    prices: "prices_pb2_grpc.PricesServiceAsyncStub"
    coupons: "coupons_pb2_grpc.CouponsServiceAsyncStub"

    async def plan(self, name: str) -> catalogue_pb2.DataPlan:
        answer = await self.catalogue.GetPlan(catalogue_pb2.GetPlanRequest(name=name))
        return answer.plan

    async def buy(self, buyer: Metadata, **wanted: Any) -> orders_pb2.Order:
        answer = await self.orders.CreateOrder(
            request(self.shop, **({"idempotency_key": ""} | wanted)), metadata=buyer
        )
        return answer.order

    async def esims_of(self, order: orders_pb2.Order, buyer: Metadata) -> list[esims_pb2.ESIM]:
        wanted = esims_pb2.BatchListOrderESIMsRequest(order_ids=[order.id])
        return list((await self.esims.BatchListOrderESIMs(wanted, metadata=buyer)).esims)


@asynccontextmanager
async def platform(shop: Shop, **changes: Any) -> AsyncIterator[Platform]:
    """Run all three, with the catalogue synced."""
    catalogue_settings = services.catalogue.settings.Settings.read(Env(environment(shop)))
    patient = environment(shop) | {"ESIMS_READ_WAIT": "30"}
    esims_settings = services.esims.settings.Settings.read(Env(patient))
    async with (
        shop.serving(services.catalogue.__main__.serve, catalogue_settings) as catalogue_port,
        shop.serving(services.esims.__main__.serve, esims_settings) as esims_port,
        patient_channel(catalogue_port) as to_catalogue,
        patient_channel(esims_port) as to_esims,
        shop.channel(
            catalogue_address=f"127.0.0.1:{catalogue_port}",
            esims_address=f"127.0.0.1:{esims_port}",
            **changes,
        ) as to_orders,
    ):
        catalogue = catalogue_pb2_grpc.CatalogueServiceStub(to_catalogue)
        async for progress in catalogue.SyncCatalogue(
            catalogue_pb2.SyncCatalogueRequest(), metadata=shop.service_key
        ):
            assert not progress.status.error
        yield Platform(
            shop,
            to_orders,
            catalogue,
            orders_pb2_grpc.OrdersServiceStub(to_orders),
            esims_pb2_grpc.ESIMsServiceStub(to_esims),
            prices_pb2_grpc.PricesServiceStub(to_catalogue),
            coupons_pb2_grpc.CouponsServiceStub(to_orders),
        )
