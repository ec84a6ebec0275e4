"""Price lists and rules for tests, and a shop with prices."""

from decimal import Decimal
from typing import Any

from protos.catalogue.v1 import prices_pb2 as pb
from tests.component.catalogue.conftest import Shop

USD = pb.PriceList(id="usd", currency="USD")
EUR = pb.PriceList(
    id="eur",
    currency="EUR",
    tax_mode=pb.TAX_MODE_INCLUSIVE,
    tax_country="DE",
    rounding=pb.ROUNDING_TO_99,
    min_margin="0.5",
    payment_fee_percent="2.9",
    payment_fee="0.3",
    exchange_rate_buffer_percent="2",
)
JPY = pb.PriceList(id="jpy", currency="JPY")


def markup(name: str, percent: str, price_list: str = "", **match: Any) -> pb.PriceRule:
    return pb.PriceRule(
        name=name,
        price_list=price_list,
        kind=pb.PRICE_RULE_KIND_MARKUP_PERCENT,
        value=percent,
        match=pb.PriceRuleMatch(**match),
    )


def fixed(name: str, price: str, price_list: str = "", **match: Any) -> pb.PriceRule:
    return pb.PriceRule(
        name=name,
        price_list=price_list,
        kind=pb.PRICE_RULE_KIND_FIXED_PRICE,
        value=price,
        match=pb.PriceRuleMatch(**match),
    )


async def set_rules(
    shop: Shop,
    lists: list[pb.PriceList],
    rules: list[pb.PriceRule] | None = None,
    expected: int = 0,
    token: str | None = None,
) -> pb.SetPriceRulesResponse:
    request = pb.SetPriceRulesRequest(
        lists=lists, rules=rules or [], expected_version=expected, note="a test"
    )
    answer: pb.SetPriceRulesResponse = await shop.prices("SetPriceRules", request, token)
    return answer


async def set_tax(shop: Shop, **percents: str) -> pb.SetTaxRatesResponse:
    rates = [pb.TaxRate(country=country, percent=percents[country]) for country in percents]
    answer: pb.SetTaxRatesResponse = await shop.prices(
        "SetTaxRates", pb.SetTaxRatesRequest(rates=rates)
    )
    return answer


async def set_rate(shop: Shop, base: str, quote: str, rate: str) -> None:
    """Store an exchange rate as the newest one, without computing prices."""
    await shop.databases.admin.execute(
        "insert into catalogue.exchange_rates (base, quote, rate, source, at)"
        " values ($1, $2, $3, 'MANUAL', clock_timestamp())",
        base,
        quote,
        Decimal(rate),
    )


async def explain(shop: Shop, plan: str, currency: str = "") -> pb.ExplainPriceResponse:
    answer: pb.ExplainPriceResponse = await shop.prices(
        "ExplainPrice", pb.ExplainPriceRequest(plan=plan, currency=currency)
    )
    return answer


async def history(shop: Shop, plan: str, currency: str = "") -> list[pb.PlanPrice]:
    answer = await shop.prices(
        "ListPriceHistory", pb.ListPriceHistoryRequest(plan=plan, currency=currency)
    )
    return list(answer.prices)


async def listed(shop: Shop, currency: str = "", **options: Any) -> dict[str, pb.PlanPrice]:
    """Return the prices of a list by the name of the plan."""
    answer = await shop.prices(
        "ListPlanPrices",
        pb.ListPlanPricesRequest(currency=currency, page_size=1_000, **options),
    )
    return {price.plan_name: price for price in answer.prices}
