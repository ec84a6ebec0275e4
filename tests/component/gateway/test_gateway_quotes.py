"""Quotes, and how orders show the way they were sold."""

from decimal import Decimal

from kit.errors import Failure, Kind
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import PLAN, order

QUOTE = """query($id: ID!, $buyer: ID) {
  quote(planId: $id, quantity: 2, currency: "EUR", couponCode: "spring", organizationId: $buyer) {
  unitPrice unitPriceExact subtotal subtotalExact discount discountExact taxAmount taxAmountExact
  taxRate priceIncludesTax total totalExact currency validUntil } }"""


def euros(amount: str) -> money_pb2.Money:
    return money.to_proto(Decimal(amount), "EUR")


async def test_a_quote_has_exact_amounts(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["QuoteOrder"] = orders_pb2.QuoteOrderResponse(
        unit_price=euros("5.99"),
        subtotal=euros("11.98"),
        discount=euros("1.2"),
        tax_amount=euros("1.72"),
        tax_rate="19",
        price_includes_tax=True,
        total=euros("10.78"),
        valid_until=order().created_at,
    )
    answer = await ann.ask(QUOTE, id=PLAN.id)
    assert gateway.orders.requests == [
        orders_pb2.QuoteOrderRequest(
            plan_id=PLAN.id, quantity=2, currency="EUR", coupon_code="spring"
        )
    ]
    quote = answer.data["quote"]
    assert quote.pop("validUntil").endswith("Z")
    amounts = {
        "unitPrice": "5.99",
        "subtotal": "11.98",
        "discount": "1.2",
        "taxAmount": "1.72",
        "total": "10.78",
    }
    assert quote == {
        **{name: float(amount) for name, amount in amounts.items()},
        **{f"{name}Exact": amount for name, amount in amounts.items()},
        "taxRate": "19",
        "priceIncludesTax": True,
        "currency": "EUR",
    }


async def test_a_quote_is_for_an_organization(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["QuoteOrder"] = orders_pb2.QuoteOrderResponse(
        total=euros("10.78"), valid_until=order().created_at
    )
    acme = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
    await ann.ask(QUOTE, id=PLAN.id, buyer=acme)
    assert gateway.orders.requests[0].organization_id == acme


async def test_a_quote_fails_as_the_purchase_would(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["QuoteOrder"] = Failure(Kind.REFUSED, "PLAN_UNAVAILABLE", "Gone")
    answer = await ann.ask(QUOTE, id=PLAN.id)
    assert answer.body["data"] == {"quote": None}
    assert answer.error["extensions"]["reason"] == "PLAN_UNAVAILABLE"


PURCHASE = """mutation($id: ID!, $input: PurchaseInput) { purchaseESIM(planId: $id, input: $input) {
  order { currency discount discountExact taxAmountExact taxRate priceIncludesTax couponCode
  soldPlan { title countries duration dataMB isUnlimited fairUse { dailyMB throttleKbps } }
  cost { expectedExact currency chargedExact chargedCurrency priceList ruleVersion exchangeRate
    exchangeRateAt } } } }"""


async def test_an_order_shows_how_it_was_sold(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(
            discount=euros("1.2"),
            tax_amount=euros("1.72"),
            tax_rate="19",
            price_includes_tax=True,
            coupon_code="SPRING",
            sold_plan=orders_pb2.SoldPlan(
                title="France, unlimited, 7 days",
                countries=["FR"],
                duration_days=7,
                unlimited=True,
                fair_use_daily_mb=1000,
                fair_use_kbps=512,
            ),
            cost=orders_pb2.OrderCost(
                expected=money.to_proto(Decimal("4.1"), "USD"),
                price_list="eur",
                rule_version=3,
                exchange_rate="0.92",
                exchange_rate_at=order().created_at,
            ),
        )
    )
    answer = await ann.ask(PURCHASE, id=PLAN.id, input={"currency": "EUR"})
    assert gateway.orders.requests[0].currency == "EUR"
    bought = answer.data["purchaseESIM"]["order"]
    assert (bought["discount"], bought["discountExact"], bought["taxAmountExact"]) == (
        1.2,
        "1.2",
        "1.72",
    )
    assert (bought["taxRate"], bought["priceIncludesTax"], bought["couponCode"]) == (
        "19",
        True,
        "SPRING",
    )
    assert bought["soldPlan"] == {
        "title": "France, unlimited, 7 days",
        "countries": ["FR"],
        "duration": 7,
        "dataMB": None,
        "isUnlimited": True,
        "fairUse": {"dailyMB": 1000, "throttleKbps": 512},
    }
    assert bought["cost"].pop("exchangeRateAt").endswith("Z")
    assert bought["cost"] == {
        "expectedExact": "4.1",
        "currency": "USD",
        "chargedExact": None,
        "chargedCurrency": None,
        "priceList": "eur",
        "ruleVersion": 3,
        "exchangeRate": "0.92",
    }
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(order=order())
    older = (await ann.ask(PURCHASE, id=PLAN.id)).data["purchaseESIM"]["order"]
    assert {older[name] for name in ("discount", "taxRate", "couponCode", "soldPlan", "cost")} == {
        None
    }
    assert older["taxAmountExact"] == "0"
