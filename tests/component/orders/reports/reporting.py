"""Reports of the running service, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from kit.values import money
from protos.catalogue.v1 import prices_pb2
from protos.common.v1 import days_pb2
from protos.orders.v1 import orders_pb2, orders_pb2_grpc, reports_pb2_grpc
from protos.orders.v1 import reports_pb2 as pb
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.shop import Metadata, Shop, reaches, request


def today() -> days_pb2.DayRange:
    day = datetime.now(UTC).date().isoformat()
    return days_pb2.DayRange(from_day=day, to_day=day)


@dataclass
class Reporting:
    """A running service with a buyer and its finance staff."""

    shop: Shop
    orders: Any
    reports: Any
    buyer: Metadata
    finance: Metadata
    channel: Any

    async def buy(self, **changes: Any) -> orders_pb2.Order:
        """Buy, and wait until the order is in the ledger."""
        wanted = request(self.shop, idempotency_key=str(uuid4()), **changes)
        order: orders_pb2.Order = (await self.orders.CreateOrder(wanted, metadata=self.buyer)).order
        await self.shop.databases.until(
            "select exists (select from orders.sales_facts where order_id = $1::text::uuid)",
            order.id,
        )
        return order

    async def buy_and_refund(self, *, days: int) -> None:
        """Refund an order that was sold some days ago."""
        self.shop.sandbox.world.switches.refunds = True
        order = await self.buy()
        await self.force(
            "with old as (update orders.ledger_transactions set at = at - make_interval(days => $1))"
            " update orders.sales_facts set at = at - make_interval(days => $1),"
            " sold_at = at - make_interval(days => $1)",
            days,
        )
        await self.rebuild(check=False)
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)
        await self.orders.CancelOrder(cancel, metadata=self.buyer)
        await reaches(self.shop, order.id, "REFUNDED")
        await self.shop.databases.until(
            "select count(*) = 2 from orders.sales_facts where kind in ('REFUND', 'COST_BACK')"
        )

    async def sales(self, **fields: Any) -> pb.GetSalesResponse:
        fields.setdefault("range", today())
        wanted = pb.GetSalesRequest(**fields)
        answer: pb.GetSalesResponse = await self.reports.GetSales(wanted, metadata=self.finance)
        return answer

    async def rebuild(
        self, *, check: bool, from_day: str = ""
    ) -> tuple[list[pb.SalesDifference], pb.RebuildSalesSummary]:
        found, summary = [], pb.RebuildSalesSummary()
        wanted = pb.RebuildSalesRequest(check=check, from_day=from_day)
        async for answer in self.reports.RebuildSales(wanted, metadata=self.finance):
            if answer.WhichOneof("result") == "difference":
                found.append(answer.difference)
            else:
                summary = answer.summary
        assert summary.differences == len(found)
        return found, summary

    async def force(self, statement: str, *arguments: Any) -> None:
        """Change rows behind the back of all triggers."""
        admin = self.shop.databases.admin
        await admin.execute("set session_replication_role = replica")
        await admin.execute(statement, *arguments)
        await admin.execute("reset session_replication_role")


@asynccontextmanager
async def reporting(shop: Shop, **settings: Any) -> AsyncIterator[Reporting]:
    buyer = await shop.session("buyer@example.com")
    finance = await shop.session("finance@example.com", role="finance")
    async with shop.channel(**settings) as channel:
        yield Reporting(
            shop,
            orders_pb2_grpc.OrdersServiceStub(channel),
            reports_pb2_grpc.ReportsServiceStub(channel),
            buyer,
            finance,
            channel,
        )


def amount(value: Any) -> Decimal:
    return money.from_proto(value)


def in_euros(shop: Shop, price: str = "11.90", rate: str = "0.9") -> None:
    """Sell from a price list in EUR, with 19 % tax."""
    list_price(shop, price, tax_rate="0.19", tax_country="DE")
    listed = shop.catalogue.adjust

    def adjust(answer: prices_pb2.QuotePlanResponse) -> None:
        listed(answer)
        answer.terms.exchange_rate = rate
        answer.plan.region = "Europe"

    shop.catalogue.adjust = adjust
