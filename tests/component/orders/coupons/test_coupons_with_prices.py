"""Coupons with the real catalogue: a discount goes exactly down to the least price of a real price list."""

from decimal import ROUND_CEILING, Decimal
from typing import Any

import grpc
import pytest

from kit.values import money
from protos.catalogue.v1 import prices_pb2
from protos.orders.v1 import coupons_pb2, orders_pb2
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Shop
from tests.fixtures.rpc.refusals import reason_of

CENT = Decimal("0.01")
QUANTITY = 3


@pytest.mark.parametrize("mode", ["INCLUSIVE", "EXCLUSIVE"])
async def test_a_discount_goes_down_to_the_least_price_and_no_further(
    shop: Shop, mode: str
) -> None:
    key = shop.service_key
    async with platform(shop) as running:
        prices, coupons = running.prices, running.coupons
        tax = prices_pb2.SetTaxRatesRequest(rates=[prices_pb2.TaxRate(country="DE", percent="19")])
        await prices.SetTaxRates(tax, metadata=key)
        price_list = prices_pb2.PriceList(
            id="usd",
            currency="USD",
            tax_mode=prices_pb2.TaxMode.Value(f"TAX_MODE_{mode}"),
            tax_country="DE",
            min_margin="0.50",
            payment_fee_percent="2.9",
            payment_fee="0.30",
        )
        rule = prices_pb2.PriceRule(
            name="four times the cost", kind=prices_pb2.PRICE_RULE_KIND_MARKUP_PERCENT, value="300"
        )
        await prices.SetPriceRules(
            prices_pb2.SetPriceRulesRequest(lists=[price_list], rules=[rule], note="test"),
            metadata=key,
        )
        plan = await running.plan("esim_1GB_7D_GB_V2")
        quote = prices_pb2.QuotePlanRequest(plan_id=plan.id)
        terms = (await prices.QuotePlan(quote, metadata=key)).terms
        subtotal = money.from_proto(plan.price) * QUANTITY
        least = (Decimal(terms.least_price) * QUANTITY).quantize(CENT, ROUND_CEILING)
        assert subtotal > least
        for code, amount in (("FLOOR", subtotal - least), ("BELOW", subtotal - least + CENT)):
            coupon = coupons_pb2.Coupon(code=code, amount=money.to_proto(amount, "USD"))
            await coupons.CreateCoupon(coupons_pb2.CreateCouponRequest(coupon=coupon), metadata=key)

        buyer = await shop.session("b@example.com")
        wanted: dict[str, Any] = {"plan_id": plan.id, "quantity": QUANTITY}
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await running.buy(buyer, coupon_code="BELOW", **wanted)
        assert reason_of(refused.value) == "COUPON_NOT_APPLICABLE"
        quoted = await running.orders.QuoteOrder(
            orders_pb2.QuoteOrderRequest(coupon_code="FLOOR", **wanted), metadata=buyer
        )
        check = coupons_pb2.CheckCouponRequest(code="floor", **wanted)
        assert (await coupons.CheckCoupon(check)).discount == quoted.discount
        order = await running.buy(buyer, coupon_code="FLOOR", **wanted)
        assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert (order.total_price, order.tax_amount) == (quoted.total, quoted.tax_amount)
        without_tax = money.from_proto(order.total_price) - money.from_proto(order.tax_amount)
        charged = (await shop.row(order.id))["charged_cost"]
        fee = money.from_proto(order.total_price) * Decimal("0.029") + Decimal("0.30")
        assert without_tax - charged - fee >= Decimal("0.50") * QUANTITY - CENT
