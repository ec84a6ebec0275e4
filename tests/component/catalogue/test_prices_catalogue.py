"""Two hundred rules in three currencies over the sandbox's whole catalogue, recounted in fractions."""

import asyncio
import time
from decimal import Decimal
from fractions import Fraction

import pytest

from kit.errors import Failure
from kit.values import money
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop
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


async def test_prices_stay_while_their_exchange_rate_is_missing(open_shop: OpenShop) -> None:
    """Only a plan whose cost changes is off sale, until there is a rate again."""
    async with open_shop(FOUR) as shop:
        await set_rate(shop, "EUR", "USD", "1.25")
        await set_rules(shop, [pb.PriceList(id="eur", currency="EUR")])
        before = await listed(shop)
        await shop.databases.admin.execute("delete from catalogue.exchange_rates")
        assert (await shop.sync()).error == ""
        assert await listed(shop) == before
        await shop.control_sandbox("catalogue/price", name="esim_a", price=3)
        assert (await shop.sync()).changed == 1
        assert [plan.name for plan in await shop.plans()] == ["esim_b", "esim_c", "esim_d"]
        after = await explain(shop, "esim_a")
        assert (after.price.sellable, after.price.price) == (False, before["esim_a"].price)
        await set_rate(shop, "EUR", "USD", "1.25")
        await shop.sync()
        assert money.text((await shop.plan("esim_a")).price) == "2.4"
        assert len(await shop.plans()) == 4


async def test_a_missing_tax_rate_is_found_before_there_are_plans(open_shop: OpenShop) -> None:
    async with open_shop([], read=False) as shop:
        with pytest.raises(Failure, match="TAX_RATE_MISSING") as caught:
            await set_rules(shop, [USD, EUR])
        assert "eur has the tax of DE" in caught.value.message
        request = pb.PreviewPricesRequest(lists=[EUR])
        with pytest.raises(Failure, match="TAX_RATE_MISSING"):
            await shop.prices("PreviewPrices", request)


async def test_a_sync_is_not_refused_because_of_a_missing_tax_rate(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_shop(FOUR) as shop:
        await set_rate(shop, "EUR", "USD", "1.25")
        await set_tax(shop, DE="19")
        await set_rules(shop, [USD, EUR])
        before = await listed(shop, "EUR")
        await shop.databases.admin.execute("delete from catalogue.tax_rates")
        await shop.control_sandbox("catalogue/price", name="esim_a", price=3)
        run = await shop.sync()
        assert (run.error, run.changed) == ("", 1)
        assert "without the tax rate of these lists: eur (DE)" in caplog.text
        euros = await listed(shop, "EUR")
        assert [name for name in euros if not euros[name].sellable] == ["esim_a"]
        assert all(euros[name] == before[name] for name in ("esim_b", "esim_c", "esim_d"))
        # The other list follows the cost.
        assert money.text((await shop.plan("esim_a")).price) == "3"
        await set_tax(shop, DE="19")
        assert all(price.sellable for price in (await listed(shop, "EUR")).values())


# As if the currency of a list had ended since the list was set.
ENDED = "update catalogue.price_rule_sets set lists = replace(lists::text, 'GBP', 'HRK')::jsonb"


async def test_a_currency_that_is_no_longer_in_use_stops_no_sync_and_no_other_prices(
    open_shop: OpenShop,
) -> None:
    euros, pounds = pb.PriceList(id="eur", currency="EUR"), pb.PriceList(id="gbp", currency="GBP")
    async with open_shop(FOUR) as shop:
        await set_rate(shop, "EUR", "USD", "1.25")
        await set_rate(shop, "EUR", "GBP", "0.8")
        await set_rules(shop, [euros, pounds])
        await shop.databases.admin.execute(ENDED)
        quoted = await shop.prices("QuotePlan", pb.QuotePlanRequest(plan_id=str(plan_id("esim_a"))))
        assert money.text(quoted.plan.price) == "1.6"
        await shop.control_sandbox("catalogue/price", name="esim_a", price=3)
        run = await shop.sync()
        assert (run.error, run.changed) == ("", 1)
        assert money.text((await shop.plan("esim_a")).price) == "2.4"
        with pytest.raises(Failure) as caught:
            await set_rules(shop, [euros, pb.PriceList(id="gbp", currency="HRK")], expected=1)
        assert list(caught.value.fields) == ["lists[1].currency"]
        await set_rules(shop, [euros], expected=1)
