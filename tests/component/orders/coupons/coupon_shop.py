"""A shop with a price list and coupons, for tests of coupons."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kit.values import money
from protos.catalogue.v1 import prices_pb2
from protos.common.v1 import money_pb2
from protos.orders.v1 import coupons_pb2, coupons_pb2_grpc, orders_pb2, orders_pb2_grpc
from tests.component.orders.shop import Metadata, Shop, request


def of(amount: str, currency: str = "EUR") -> money_pb2.Money:
    return money.to_proto(Decimal(amount), currency)


def list_price(
    shop: Shop, price: str, least: str = "0", currency: str = "EUR", **terms: str
) -> None:
    """Sell every plan from a price list, at this price and with this least price."""

    def adjust(answer: prices_pb2.QuotePlanResponse) -> None:
        answer.plan.price.CopyFrom(of(price, currency))
        answer.plan.bundle_group = "Standard Fixed"
        answer.plan.countries.add(name="France", iso="FR")
        answer.plan.price_includes_tax = True
        listed = prices_pb2.PriceTerms(
            price_list=currency.lower(),
            rule_version=1,
            exchange_rate="1",
            includes_tax=True,
            least_price=least,
            **terms,  # type: ignore[arg-type] # decimal strings
        )
        answer.terms.MergeFrom(listed)

    shop.catalogue.adjust = adjust


@dataclass
class CouponShop:
    """The stubs of one orders service."""

    shop: Shop
    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    coupons: "coupons_pb2_grpc.CouponsServiceAsyncStub"

    async def create(self, code: str = "SPRING", **fields: Any) -> coupons_pb2.Coupon:
        """Create a coupon of 10 % unless the fields say otherwise."""
        if "amount" not in fields:
            fields.setdefault("percent", "10")
        wanted = coupons_pb2.CreateCouponRequest(coupon=coupons_pb2.Coupon(code=code, **fields))
        return (await self.coupons.CreateCoupon(wanted, metadata=self.shop.service_key)).coupon

    async def buy(self, buyer: Metadata, code: str = "SPRING", **changes: Any) -> orders_pb2.Order:
        fields = {"idempotency_key": "", "coupon_code": code} | changes
        answer = await self.orders.CreateOrder(request(self.shop, **fields), metadata=buyer)
        order: orders_pb2.Order = answer.order
        return order

    async def check(
        self, code: str = "SPRING", *, session: Metadata | None = None, **changes: Any
    ) -> coupons_pb2.CheckCouponResponse:
        """Check a coupon, by default without a session."""
        fields: dict[str, Any] = {"code": code, "plan_id": self.shop.plan_id, "quantity": 1}
        wanted = coupons_pb2.CheckCouponRequest(**(fields | changes))
        return await self.coupons.CheckCoupon(wanted, metadata=session)

    async def counters(self, code: str = "SPRING") -> tuple[int, int, str, str]:
        """Return used, reserved, spent and the reserved amount."""
        row = await self.shop.databases.admin.fetchrow(
            """select used, reserved, trim_scale(spent)::text, trim_scale(reserved_amount)::text
               from orders.coupons where code = $1""",
            code,
        )
        assert row is not None
        return tuple(row)

    async def states(self) -> list[str]:
        """Return the states of all redemptions, oldest first."""
        rows = await self.shop.databases.admin.fetch(
            "select state from orders.coupon_redemptions order by created_at"
        )
        return [row["state"] for row in rows]


@asynccontextmanager
async def open_coupons(shop: Shop, **changes: Any) -> AsyncIterator[CouponShop]:
    """Run the service with some settings changed."""
    async with shop.channel(**changes) as channel:
        yield CouponShop(
            shop,
            orders_pb2_grpc.OrdersServiceStub(channel),
            coupons_pb2_grpc.CouponsServiceStub(channel),
        )
