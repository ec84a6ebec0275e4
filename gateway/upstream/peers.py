"""gRPC stubs of the services."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import grpc

from gateway.upstream.kept_plans import KeptPlans
from gateway.upstream.shared_calls import SharedCalls
from kit.rpc import client as rpc_client
from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceStub
from protos.catalogue.v1.prices_pb2_grpc import PricesServiceStub
from protos.esims.v1.esims_pb2_grpc import ESIMsServiceStub
from protos.esims.v1.reports_pb2_grpc import ReportsServiceStub as UsageReportsServiceStub
from protos.esims.v1.travelers_pb2_grpc import TravelersServiceStub
from protos.orders.v1.api_keys_pb2_grpc import APIKeysServiceStub
from protos.orders.v1.batches_pb2_grpc import BatchesServiceStub
from protos.orders.v1.books_pb2_grpc import BooksServiceStub
from protos.orders.v1.budgets_pb2_grpc import BudgetsServiceStub
from protos.orders.v1.coupons_pb2_grpc import CouponsServiceStub
from protos.orders.v1.export_links_pb2_grpc import ExportLinksServiceStub
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub
from protos.orders.v1.organizations_pb2_grpc import OrganizationsServiceStub
from protos.orders.v1.payments_pb2_grpc import PaymentsServiceStub
from protos.orders.v1.reports_pb2_grpc import ReportsServiceStub
from protos.orders.v1.statements_pb2_grpc import StatementsServiceStub

if TYPE_CHECKING:  # the asynchronous stubs exist only as type hints
    from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceAsyncStub
    from protos.catalogue.v1.prices_pb2_grpc import PricesServiceAsyncStub
    from protos.esims.v1.esims_pb2_grpc import ESIMsServiceAsyncStub
    from protos.esims.v1.reports_pb2_grpc import (
        ReportsServiceAsyncStub as UsageReportsServiceAsyncStub,
    )
    from protos.esims.v1.travelers_pb2_grpc import TravelersServiceAsyncStub
    from protos.orders.v1.api_keys_pb2_grpc import APIKeysServiceAsyncStub
    from protos.orders.v1.batches_pb2_grpc import BatchesServiceAsyncStub
    from protos.orders.v1.books_pb2_grpc import BooksServiceAsyncStub
    from protos.orders.v1.budgets_pb2_grpc import BudgetsServiceAsyncStub
    from protos.orders.v1.coupons_pb2_grpc import CouponsServiceAsyncStub
    from protos.orders.v1.export_links_pb2_grpc import ExportLinksServiceAsyncStub
    from protos.orders.v1.orders_pb2_grpc import OrdersServiceAsyncStub
    from protos.orders.v1.organizations_pb2_grpc import OrganizationsServiceAsyncStub
    from protos.orders.v1.payments_pb2_grpc import PaymentsServiceAsyncStub
    from protos.orders.v1.reports_pb2_grpc import ReportsServiceAsyncStub
    from protos.orders.v1.statements_pb2_grpc import StatementsServiceAsyncStub

# Seconds. A healthy service answers in milliseconds, and probes wait a second or two.
HEALTH_TIMEOUT = 1.0
# The health check of whether a service's database accepts writes.
DATABASE = "database"


class Peers:
    """The stubs of all services, over channels that live as long as the process."""

    def __init__(
        self, *, catalogue: grpc.aio.Channel, orders: grpc.aio.Channel, esims: grpc.aio.Channel
    ) -> None:
        self.catalogue: CatalogueServiceAsyncStub = CatalogueServiceStub(catalogue)
        self.prices: PricesServiceAsyncStub = PricesServiceStub(catalogue)
        self.orders: OrdersServiceAsyncStub = OrdersServiceStub(orders)
        self.coupons: CouponsServiceAsyncStub = CouponsServiceStub(orders)
        self.payments: PaymentsServiceAsyncStub = PaymentsServiceStub(orders)
        self.organizations: OrganizationsServiceAsyncStub = OrganizationsServiceStub(orders)
        self.batches: BatchesServiceAsyncStub = BatchesServiceStub(orders)
        self.books: BooksServiceAsyncStub = BooksServiceStub(orders)
        self.api_keys: APIKeysServiceAsyncStub = APIKeysServiceStub(orders)
        self.budgets: BudgetsServiceAsyncStub = BudgetsServiceStub(orders)
        self.export_links: ExportLinksServiceAsyncStub = ExportLinksServiceStub(orders)
        self.reports: ReportsServiceAsyncStub = ReportsServiceStub(orders)
        self.statements: StatementsServiceAsyncStub = StatementsServiceStub(orders)
        self.esims: ESIMsServiceAsyncStub = ESIMsServiceStub(esims)
        self.travelers: TravelersServiceAsyncStub = TravelersServiceStub(esims)
        self.usage_reports: UsageReportsServiceAsyncStub = UsageReportsServiceStub(esims)
        self.reads = SharedCalls()
        self.plans = KeptPlans()
        self._channels = {"catalogue": catalogue, "orders": orders, "esims": esims}

    async def health(self) -> Mapping[str, str]:
        """Return the state of each service by its name.

        That is SERVING, NOT_SERVING, UNREACHABLE, or DATABASE_TAKES_NO_WRITES if it can only read.
        """
        states = await asyncio.gather(*map(_health, self._channels.values()))
        return dict(zip(self._channels, states, strict=True))

    async def close(self) -> None:
        """Close the channels and cancel calls in flight."""
        for channel in self._channels.values():
            await channel.close()


async def _health(channel: grpc.aio.Channel) -> str:
    state, database = await asyncio.gather(
        rpc_client.health(channel, HEALTH_TIMEOUT),
        rpc_client.health(channel, HEALTH_TIMEOUT, DATABASE),
    )
    if state == "SERVING" and database == "NOT_SERVING":
        return "DATABASE_TAKES_NO_WRITES"
    return state
