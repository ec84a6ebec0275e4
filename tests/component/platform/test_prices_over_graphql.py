"""The finance staff sets prices in GraphQL, and customers see them: gateway and catalogue together."""

from typing import Any

import pytest

from tests.fixtures.gateway import Client
from tests.fixtures.platform import BUNDLE, Platform

LISTS = [
    {
        "id": "usd",
        "currency": "USD",
        "rounding": "TO_99",
        "taxCountry": "DE",
        "minMargin": "0.50",
    },
    {"id": "yen", "currency": "JPY", "taxMode": "EXCLUSIVE"},
]
RULES: list[dict[str, Any]] = [
    {
        "name": "Britain",
        "match": {"countries": ["GB"]},
        "kind": "MARKUP_PERCENT",
        "value": "40",
    }
]
SET = """mutation($rules: [PriceRuleInput!]!, $lists: [PriceListInput!], $version: Int!) {
    setPriceRules(rules: $rules, priceLists: $lists, expectedVersion: $version, note: "n") {
        success code error changed plans ruleSet { version createdBy } } }"""
PLAN = """query($text: String!, $currency: String) {
    dataPlans(filter: {text: $text}, currency: $currency) { id name priceExact currency } }"""


@pytest.fixture
async def finance(platform: Platform) -> Client:
    token = await platform.auth.token("finance@example.com", role="finance")
    return platform.client.signed_in(token)


async def price(client: Client, currency: str | None = None) -> str:
    answer = await client.ask(PLAN, text=BUNDLE, currency=currency)
    (plan,) = [one for one in answer.data["dataPlans"] if one["name"] == BUNDLE]
    return f"{plan['priceExact']} {plan['currency']}"


async def opened(finance: Client) -> Any:
    """Set the tax and the exchange rate that the lists need, and then the lists and rules."""
    done = await finance.ask(
        """mutation {
            setTaxRates(rates: [{country: "DE", percent: "19"}]) { success }
            setExchangeRates(rates: [{base: "USD", quote: "JPY", rate: "150"}]) { success code } }"""
    )
    assert done.data["setTaxRates"]["success"], done.body
    assert done.data["setExchangeRates"]["success"], done.body
    result = (await finance.ask(SET, rules=RULES, lists=LISTS, version=0)).data["setPriceRules"]
    assert result["success"], result
    return result


async def test_prices_set_in_graphql_are_what_customers_see(
    platform: Platform, finance: Client
) -> None:
    assert await price(platform.client) == "1.37 USD"
    result = await opened(finance)
    account = str(await platform.auth.user_id("finance@example.com"))
    assert result["ruleSet"] == {"version": 1, "createdBy": account}
    # 1.37 USD plus 40 % and 19 % tax are 2.28 USD; in yen 287.7, tax is added later.
    assert await price(platform.client) == "2.99 USD"
    assert await price(platform.client, "JPY") == "288 JPY"

    plan = (await platform.client.ask(PLAN, text=BUNDLE)).data["dataPlans"][0]["id"]
    answer = await finance.ask(
        """query($plan: ID!) {
            explainPrice(planId: $plan) { steps { kind before after } leastPrice price { price } }
            priceHistory(planId: $plan, currency: "JPY") { nodes { price rule validTo } }
            priceRules { version rules { name match { countries } } priceLists { id minMargin } } }""",
        plan=plan,
    )
    steps = answer.data["explainPrice"]["steps"]
    assert [step["kind"] for step in steps] == ["RULE", "TAX", "ROUNDING"]
    assert [step["after"] for step in steps[:-1]] == [step["before"] for step in steps[1:]]
    assert steps[-1]["after"] == answer.data["explainPrice"]["price"]["price"] == "2.99"
    assert answer.data["priceHistory"]["nodes"] == [
        {"price": "288", "rule": "Britain", "validTo": None}
    ]
    assert answer.data["priceRules"] == {
        "version": 1,
        "rules": [{"name": "Britain", "match": {"countries": ["GB"]}}],
        "priceLists": [{"id": "usd", "minMargin": "0.50"}, {"id": "yen", "minMargin": "0"}],
    }


async def test_a_stale_version_and_a_loss_are_refused_as_data(
    platform: Platform, finance: Client
) -> None:
    await opened(finance)
    again = (await finance.ask(SET, rules=RULES, version=0)).data["setPriceRules"]
    assert (again["success"], again["code"]) == (False, "VERSION_CONFLICT")
    gift = {"name": "gift", "priceList": "usd", "kind": "FIXED_PRICE", "value": "0.99"}
    named = gift | {"match": {"plans": [BUNDLE]}}
    loss = (await finance.ask(SET, rules=[named], version=1)).data["setPriceRules"]
    assert (loss["code"], loss["plans"]) == ("SELLS_AT_A_LOSS", [BUNDLE])
    many = (await finance.ask(SET, rules=[gift], version=1)).data["setPriceRules"]
    assert (many["code"], len(many["plans"])) == ("SELLS_AT_A_LOSS", 20), many["plans"]
    wrong = [gift | {"match": {"minDataMB": 5, "maxDataMB": 1, "countries": ["Atlantis"]}}]
    invalid = (await finance.ask(SET, rules=wrong, version=1)).data["setPriceRules"]
    assert invalid["code"] == "INVALID_ARGUMENT"
    assert "rules[0].match.countries[0]" in invalid["error"]
    assert "DataMB" in invalid["error"]
    assert await price(platform.client) == "2.99 USD"


async def test_a_preview_and_pages_of_prices(platform: Platform, finance: Client) -> None:
    await opened(finance)
    double = [RULES[0] | {"value": "300"}]
    answer = await finance.ask(
        """query($rules: [PriceRuleInput!]!) { previewPrices(rules: $rules, first: 3) { priceLists {
            currency planCount raised lowered unchanged added margins { planCount }
            worst { planName cost marginPercent } } } }""",
        rules=double,
    )
    usd, yen = answer.data["previewPrices"]["priceLists"]
    for found in (usd, yen):
        assert found["raised"] > 20
        assert (found["lowered"], found["added"], len(found["worst"])) == (0, 0, 3)
        assert found["raised"] + found["unchanged"] == found["planCount"]
        assert sum(one["planCount"] for one in found["margins"]) == found["planCount"]
    assert (usd["currency"], yen["currency"]) == ("USD", "JPY")

    names: list[str] = []
    after = None
    while True:
        page = await finance.ask(
            """query($after: String) { planPrices(currency: "JPY", first: 1000, after: $after) {
                nodes { planName sellable } nextCursor } }""",
            after=after,
        )
        names += [one["planName"] for one in page.data["planPrices"]["nodes"]]
        after = page.data["planPrices"]["nextCursor"]
        if after is None:
            break
    assert names == sorted(set(names))
    assert len(names) == usd["planCount"]
