"""Two hundred rules in three currencies over the sandbox's whole catalogue, recounted in fractions."""

import asyncio
import time
from decimal import Decimal
from fractions import Fraction

from kit.values import money
from protos.catalogue.v1 import prices_pb2 as pb
from tests.component.catalogue.conftest import OpenShop, Shop
from tests.component.catalogue.price_rules import (
    EUR,
    JPY,
    USD,
    explain,
    listed,
    markup,
    set_rate,
    set_rules,
    set_tax,
)

COUNTRIES = ("France", "DE", "ITA", "Spain", "JP", "US", "Thailand", "Turkey", "GB", "Greece")


def two_hundred() -> list[pb.PriceRule]:
    """Rules by country, region, duration and data, of which the last one matches everything."""
    rules = [
        markup(
            f"{country} up to {days} days",
            str(15 + days),
            countries=[country],
            max_duration_days=days,
        )
        for country in COUNTRIES
        for days in range(1, 16)
    ]
    rules += [
        pb.PriceRule(
            name=f"from {days} days",
            kind=pb.PRICE_RULE_KIND_TARGET_MARGIN,
            value=str(20 + days / 2),
            match=pb.PriceRuleMatch(min_duration_days=days, unlimited=days % 2 == 0),
        )
        for days in range(49, 0, -1)
    ]
    return [*rules, markup("everything else", "40")]


async def every_price(shop: Shop, currency: str) -> list[pb.PlanPrice]:
    found: list[pb.PlanPrice] = []
    request = pb.ListPlanPricesRequest(currency=currency, page_size=1_000)
    while True:
        page = await shop.prices("ListPlanPrices", request)
        found += page.prices
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


def keeps_margin(price: pb.PlanPrice, one: pb.PriceList) -> bool:
    retail = Fraction(money.from_proto(price.price))
    gross = 1 + Fraction(price.tax_rate or 0) / 100
    net = retail / gross if price.includes_tax else retail
    fee = net * gross * Fraction(one.payment_fee_percent or 0) / 100 + Fraction(
        one.payment_fee or 0
    )
    cost = Fraction(money.from_proto(price.cost)) * Fraction(price.exchange_rate)
    cost *= 1 + Fraction(one.exchange_rate_buffer_percent or 0) / 100
    return net - fee - cost >= Fraction(one.min_margin or 0)


async def test_two_hundred_rules_over_the_catalogue(open_shop: OpenShop) -> None:
    rules = two_hundred()
    assert len(rules) == 200
    async with open_shop() as shop:
        await set_rate(shop, "EUR", "USD", "1.1375")
        await set_rate(shop, "EUR", "JPY", "171.93")
        await set_tax(shop, DE="19")
        lists = {one.currency: one for one in (USD, EUR, JPY)}
        began = time.monotonic()
        # Public lists are answered meanwhile.
        setting = asyncio.create_task(set_rules(shop, list(lists.values()), rules))
        answered = 0
        while not setting.done():
            await shop.plan("esim_1GB_7D_FR_V2")
            answered += 1
        result = await setting
        print(f"{result.changed} prices in {time.monotonic() - began:.1f} s, {answered} calls")  # noqa: T201
        assert answered > 3
        plans = {plan.name for plan in await shop.plans()}
        assert result.changed == 3 * len(plans)
        for currency, one in lists.items():
            prices = await every_price(shop, currency)
            assert {price.plan_name for price in prices} == plans
            assert all(price.sellable and keeps_margin(price, one) for price in prices)
            assert len({price.rule for price in prices}) > 50
            yen = currency == "JPY"
            assert all(not price.price.nanos for price in prices) is yen
            for price in prices[:: len(prices) // 20]:
                explained = await explain(shop, price.plan_name, currency)
                assert Decimal(explained.steps[-1].after) == money.from_proto(price.price)


async def test_prices_stay_while_their_exchange_rate_is_gone(open_shop: OpenShop) -> None:
    """A plan whose cost can't be converted is off sale, and is on sale again with the rate."""
    async with open_shop() as shop:
        await set_rate(shop, "EUR", "USD", "1.25")
        euros = pb.PriceList(id="eur", currency="EUR")
        await set_rules(shop, [euros])
        before = (await listed(shop)).popitem()[1]
        await shop.databases.admin.execute("delete from catalogue.exchange_rates")
        assert (await shop.sync()).error == ""
        assert await shop.plans() == []
        after = await explain(shop, before.plan_name)
        assert (after.price.sellable, after.price.price) == (False, before.price)
        await set_rate(shop, "EUR", "USD", "1.25")
        await shop.sync()
        assert len(await shop.plans()) > 1_000
