"""Price lists in front of the orders service, with the real catalogue."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kit.values import money
from protos.catalogue.v1 import catalogue_pb2
from protos.catalogue.v1 import prices_pb2 as pb
from protos.orders.v1 import orders_pb2
from tests.component.orders.real_peers import Platform
from tests.component.orders.shop import Metadata, request

USD = pb.PriceList(id="usd", currency="USD", min_margin_to_absorb="0.2")
EUR = pb.PriceList(
    id="eur",
    currency="EUR",
    tax_mode=pb.TAX_MODE_INCLUSIVE,
    tax_country="DE",
    rounding=pb.ROUNDING_TO_99,
    min_margin="0.1",
    payment_fee_percent="2.9",
    payment_fee="0.3",
    exchange_rate_buffer_percent="2",
)
JPY = pb.PriceList(id="jpy", currency="JPY", tax_mode=pb.TAX_MODE_EXCLUSIVE, tax_country="JP")
KWD = pb.PriceList(id="kwd", currency="KWD", tax_mode=pb.TAX_MODE_EXCLUSIVE, tax_country="KW")
LISTS = (USD, EUR, JPY, KWD)
RATES = {"EUR": "0.92", "JPY": "151.37", "KWD": "0.3071"}
TAXES = {"DE": "19", "JP": "10", "KW": "7.5"}


@dataclass
class Seller:
    """A platform that sells one plan from LISTS; `name` is its bundle."""

    platform: Platform
    plan: catalogue_pb2.DataPlan
    version: int = 0

    @classmethod
    async def open(cls, platform: Platform, percent: str = "100") -> "Seller":
        """Set rates, taxes and lists, with a markup for all plans."""
        shop = platform.shop
        rates = [pb.ExchangeRate(base="USD", quote=code, rate=RATES[code]) for code in RATES]
        await platform.prices.SetExchangeRates(
            pb.SetExchangeRatesRequest(rates=rates), metadata=shop.service_key
        )
        taxes = [pb.TaxRate(country=code, percent=TAXES[code]) for code in TAXES]
        await platform.prices.SetTaxRates(
            pb.SetTaxRatesRequest(rates=taxes), metadata=shop.service_key
        )
        plan = await platform.plan(shop.catalogue.bundles[shop.plan_id].name)
        seller = cls(platform, plan)
        await seller.mark_up(percent)
        return seller

    @property
    def cost(self) -> Decimal:
        """The provider's price when the shop was opened."""
        return money.from_proto(self.plan.price)

    async def mark_up(self, percent: str) -> None:
        """Replace the rules by one markup."""
        rule = pb.PriceRule(
            name="all",
            kind=pb.PRICE_RULE_KIND_MARKUP_PERCENT,
            value=percent,
            match=pb.PriceRuleMatch(),
        )
        wanted = pb.SetPriceRulesRequest(
            lists=LISTS, rules=[rule], expected_version=self.version, note="a test"
        )
        answer = await self.platform.prices.SetPriceRules(
            wanted, metadata=self.platform.shop.service_key
        )
        self.version = answer.rule_set.version

    async def raise_cost(self, cost: Decimal) -> None:
        """Change the plan's price at the provider; the catalogue doesn't know it yet."""
        await self.platform.shop.control("catalogue/price", name=self.plan.name, price=float(cost))

    async def shown(self, currency: str = "") -> catalogue_pb2.DataPlan:
        """Return the plan as the public sees it."""
        wanted = catalogue_pb2.GetPlanRequest(id=self.plan.id, currency=currency)
        return (await self.platform.catalogue.GetPlan(wanted)).plan

    async def buy(self, buyer: Metadata, **wanted: Any) -> orders_pb2.Order:
        fields = {"plan_id": self.plan.id, "idempotency_key": ""} | wanted
        call = self.platform.orders.CreateOrder(
            request(self.platform.shop, **fields), metadata=buyer
        )
        return (await call).order

    async def quote(self, buyer: Metadata, **wanted: Any) -> orders_pb2.QuoteOrderResponse:
        fields: dict[str, Any] = {"plan_id": self.plan.id, "quantity": 1} | wanted
        answer: orders_pb2.QuoteOrderResponse = await self.platform.orders.QuoteOrder(
            orders_pb2.QuoteOrderRequest(**fields), metadata=buyer
        )
        return answer

    async def seen_by_staff(self, order: orders_pb2.Order) -> orders_pb2.Order:
        wanted = orders_pb2.GetOrderRequest(order_id=order.id)
        answer = await self.platform.orders.GetOrder(
            wanted, metadata=self.platform.shop.service_key
        )
        return answer.order


def amount(found: Any) -> Decimal:
    """Return an amount of a message."""
    return money.from_proto(found)
