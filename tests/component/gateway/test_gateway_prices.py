"""Administration of prices in GraphQL: what the service receives, what clients get, and who is refused."""

from typing import Any

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, PLAN
from tests.fixtures.prices.price_rules import LISTS, RULES, plan_price, rule_set

SET = """mutation($rules: [PriceRuleInput!]!, $lists: [PriceListInput!]) {
    setPriceRules(rules: $rules, priceLists: $lists, expectedVersion: 6, note: "summer") {
        success ruleSet { version } changed unsellable error code plans } }"""
PREVIEW = """query($rules: [PriceRuleInput!]!, $lists: [PriceListInput!]) {
    previewPrices(rules: $rules, priceLists: $lists, first: 2) { priceLists {
        priceList currency planCount raised lowered unchanged added unsellable lifted
        margins { fromPercent planCount } worst { planName margin } } } }"""


async def test_rules_are_read_with_all_their_fields(gateway: Gateway, finance: Client) -> None:
    gateway.prices.answers["GetPriceRules"] = pb.GetPriceRulesResponse(rule_set=rule_set(6))
    answer = await finance.ask(
        """query { priceRules(version: 6) { version note createdBy createdAt
            priceLists { id currency taxMode taxCountry rounding minMargin minMarginPercent
                minMarginToAbsorb paymentFeePercent paymentFee exchangeRateBufferPercent
                maxMarkupPercent }
            rules { name priceList kind value matrix { group fromDays amount } match { countries
                regions groups minDurationDays maxDurationDays minDataMB maxDataMB unlimited plans
                provider } } } }"""
    )
    found = answer.data["priceRules"]
    assert (found["version"], found["note"], found["createdAt"]) == (6, "summer", ISO)
    assert found["priceLists"] == LISTS
    assert found["rules"] == RULES
    assert gateway.prices.requests[0].version == 6
    await finance.ask("{ priceRules { version } }")
    assert not gateway.prices.requests[1].HasField("version")


async def test_what_is_read_can_be_set_again_and_arrives_unchanged(
    gateway: Gateway, finance: Client
) -> None:
    gateway.prices.answers["SetPriceRules"] = pb.SetPriceRulesResponse(
        rule_set=rule_set(7), changed=5_000, unsellable=3
    )
    answer = await finance.ask(SET, rules=RULES, lists=LISTS)
    assert answer.data["setPriceRules"] == {
        "success": True,
        "ruleSet": {"version": 7},
        "changed": 5_000,
        "unsellable": 3,
        "error": None,
        "code": None,
        "plans": [],
    }
    (request,) = gateway.prices.requests
    assert list(request.lists) == list(rule_set(6).lists)
    assert list(request.rules) == list(rule_set(6).rules)
    assert (request.expected_version, request.note) == (6, "summer")


async def test_without_price_lists_the_current_ones_stay(gateway: Gateway, finance: Client) -> None:
    gateway.prices.answers["GetPriceRules"] = pb.GetPriceRulesResponse(rule_set=rule_set(6))
    gateway.prices.answers["SetPriceRules"] = pb.SetPriceRulesResponse(rule_set=rule_set(7))
    gateway.prices.answers["PreviewPrices"] = pb.PreviewPricesResponse()
    assert (await finance.ask(SET, rules=RULES)).data["setPriceRules"]["success"]
    assert (await finance.ask(PREVIEW, rules=RULES)).data["previewPrices"] == {"priceLists": []}
    for request in (gateway.prices.requests[1], gateway.prices.requests[3]):
        assert list(request.lists) == list(rule_set(6).lists)


@pytest.mark.parametrize(
    ("failure", "code", "error", "plans"),
    [
        (
            Failure(Kind.CONFLICT, "VERSION_CONFLICT", "The rules are at version 7"),
            "VERSION_CONFLICT",
            "The rules are at version 7",
            [],
        ),
        (
            Failure(
                Kind.REFUSED,
                "SELLS_AT_A_LOSS",
                "Rule cheap sells 2 plans at a loss",
                details={"rule": "cheap", "plans": "esim_a,esim_b", "plan_count": "5"},
            ),
            "SELLS_AT_A_LOSS",
            "Rule cheap sells 2 plans at a loss",
            ["esim_a", "esim_b"],
        ),
        (
            Failure(
                Kind.INVALID,
                "INVALID_ARGUMENT",
                "wrong",
                fields={
                    "lists[0].min_margin": "must be 0 or more",
                    "rules[1].match.min_data_mb": "must be less",
                },
            ),
            "INVALID_ARGUMENT",
            "priceLists[0].minMargin: must be 0 or more; rules[1].match.minDataMB: must be less",
            [],
        ),
    ],
    ids=["conflict", "loss", "invalid"],
)
async def test_a_refusal_is_data_that_names_arguments(
    gateway: Gateway, finance: Client, failure: Failure, code: str, error: str, plans: list[str]
) -> None:
    gateway.prices.answers["SetPriceRules"] = failure
    result = (await finance.ask(SET, rules=RULES, lists=LISTS)).data["setPriceRules"]
    assert result == {
        "success": False,
        "ruleSet": None,
        "changed": 0,
        "unsellable": 0,
        "error": error,
        "code": code,
        "plans": plans,
    }


@pytest.mark.parametrize("amount", [1.5, -1, 1e300])
async def test_data_that_is_no_whole_number_of_mb_is_refused(
    gateway: Gateway, finance: Client, amount: float
) -> None:
    rules = [{"name": "a", "kind": "MARKUP_PERCENT", "match": {"minDataMB": amount}}]
    result = (await finance.ask(SET, rules=rules, lists=[])).data["setPriceRules"]
    assert result["code"] == "INVALID_ARGUMENT"
    assert result["error"].startswith("rules[0].match.minDataMB: must be a whole number")
    assert not gateway.prices.requests


async def test_an_amount_of_data_may_have_float_noise(gateway: Gateway, finance: Client) -> None:
    noisy = 1.1 * 3 * 1000
    assert noisy != 3300
    rules = [{"name": "a", "kind": "MARKUP_PERCENT", "match": {"minDataMB": noisy}}]
    await finance.ask(SET, rules=rules, lists=[])
    [request] = gateway.prices.requests
    assert request.rules[0].match.min_data_mb == 3300


async def test_a_preview_compares_each_list(gateway: Gateway, finance: Client) -> None:
    gateway.prices.answers["PreviewPrices"] = pb.PreviewPricesResponse(
        lists=[
            pb.PriceListPreview(
                price_list="eur",
                currency="EUR",
                plan_count=10,
                raised=4,
                lowered=3,
                unchanged=2,
                added=1,
                unsellable=1,
                lifted=2,
                margins=[pb.MarginBucket(from_percent=-10, plan_count=9)],
                worst=[plan_price()],
            )
        ]
    )
    answer = await finance.ask(PREVIEW, rules=RULES, lists=LISTS)
    (found,) = answer.data["previewPrices"]["priceLists"]
    assert found == {
        "priceList": "eur",
        "currency": "EUR",
        "planCount": 10,
        "raised": 4,
        "lowered": 3,
        "unchanged": 2,
        "added": 1,
        "unsellable": 1,
        "lifted": 2,
        "margins": [{"fromPercent": -10, "planCount": 9}],
        "worst": [{"planName": "esim_1GB_7D_FR_V2", "margin": "0.512"}],
    }
    assert gateway.prices.requests[0].page_size == 2


async def test_a_price_is_explained_step_by_step(gateway: Gateway, finance: Client) -> None:
    gateway.prices.answers["ExplainPrice"] = pb.ExplainPriceResponse(
        price=plan_price(),
        steps=[
            pb.PriceStep(
                kind=pb.PRICE_STEP_KIND_RULE,
                before="2.28",
                after="3.192",
                currency="USD",
                description="rule Europe: plus 40 %",
            )
        ],
        net_price="2.5126",
        payment_fee="0.3867",
        converted_cost="2.0976",
    )
    answer = await finance.ask(
        """query($id: ID!) { explainPrice(planId: $id, currency: "EUR") {
            steps { kind before after currency description } leastPrice netPrice paymentFee
            convertedCost price { planId cost costCurrency price currency margin marginPercent
                sellable rule ruleVersion lifted exchangeRate exchangeRateAt taxRate includesTax
                validFrom validTo priceList } } }""",
        id=PLAN.id,
    )
    assert answer.data["explainPrice"] == {
        "steps": [
            {
                "kind": "RULE",
                "before": "2.28",
                "after": "3.192",
                "currency": "USD",
                "description": "rule Europe: plus 40 %",
            }
        ],
        "leastPrice": None,
        "netPrice": "2.5126",
        "paymentFee": "0.3867",
        "convertedCost": "2.0976",
        "price": {
            "planId": PLAN.id,
            "cost": "2.28",
            "costCurrency": "USD",
            "price": "2.99",
            "currency": "EUR",
            "margin": "0.512",
            "marginPercent": "20.4",
            "sellable": True,
            "rule": "Europe",
            "ruleVersion": 6,
            "lifted": False,
            "exchangeRate": "0.92",
            "exchangeRateAt": ISO,
            "taxRate": "19",
            "includesTax": True,
            "validFrom": ISO,
            "validTo": None,
            "priceList": "eur",
        },
    }
    (request,) = gateway.prices.requests
    assert (request.plan, request.currency) == (PLAN.id, "EUR")


async def test_lists_of_prices_and_versions_are_paged(gateway: Gateway, finance: Client) -> None:
    answers: dict[str, Any] = {
        "ListPlanPrices": pb.ListPlanPricesResponse(prices=[plan_price()], next_page_token="p"),
        "ListPriceHistory": pb.ListPriceHistoryResponse(prices=[plan_price(valid_to=MOMENT)]),
        "ListPriceRuleVersions": pb.ListPriceRuleVersionsResponse(
            versions=[pb.PriceRuleSet(version=1)], next_page_token="v"
        ),
    }
    gateway.prices.answers.update(answers)
    answer = await finance.ask(
        """query($id: ID!) {
            planPrices(currency: "EUR", onlyUnsellable: true, first: 1000, after: "o") {
                nodes { planName } nextCursor }
            priceHistory(planId: $id, first: 500) { nodes { validTo } nextCursor }
            priceRuleVersions(first: 1) { nodes { version note createdAt } nextCursor } }""",
        id=PLAN.id,
    )
    assert answer.data == {
        "planPrices": {"nodes": [{"planName": PLAN.name}], "nextCursor": "p"},
        "priceHistory": {"nodes": [{"validTo": ISO}], "nextCursor": None},
        "priceRuleVersions": {
            "nodes": [{"version": 1, "note": None, "createdAt": None}],
            "nextCursor": "v",
        },
    }
    prices = next(r for r in gateway.prices.requests if isinstance(r, pb.ListPlanPricesRequest))
    assert (prices.currency, prices.only_unsellable, prices.page_size, prices.page_token) == (
        "EUR",
        True,
        1000,
        "o",
    )


@pytest.mark.parametrize(
    "query",
    [
        "{ planPrices(first: %d) { nextCursor } }",
        '{ priceHistory(planId: "x", first: %d) { nextCursor } }',
        "{ priceRuleVersions(first: %d) { nextCursor } }",
        "{ previewPrices(rules: [], priceLists: [], first: %d) { priceLists { currency } } }",
    ],
)
async def test_a_size_out_of_range_is_refused(
    gateway: Gateway, finance: Client, query: str
) -> None:
    for first in (0, -1, 1001):
        answer = await finance.ask(query % first)
        assert (answer.code, list(answer.error["extensions"]["fields"])) == (
            "BAD_USER_INPUT",
            ["first"],
        )
    assert not gateway.prices.requests
