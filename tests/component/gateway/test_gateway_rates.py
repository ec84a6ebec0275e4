"""Exchange rates and taxes in GraphQL, and who may reach any operation with prices."""

from typing import Any

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT
from tests.fixtures.sandboxes import Auth

OPERATIONS: dict[str, str] = {
    "priceRules": "{ priceRules { version } }",
    "priceRuleVersions": "{ priceRuleVersions { nodes { version } } }",
    "previewPrices": "{ previewPrices(rules: []) { priceLists { planCount } } }",
    "explainPrice": '{ explainPrice(planId: "x") { netPrice } }',
    "priceHistory": '{ priceHistory(planId: "x") { nextCursor } }',
    "planPrices": "{ planPrices { nextCursor } }",
    "exchangeRates": "{ exchangeRates { rate } }",
    "taxRates": "{ taxRates { percent } }",
    "setPriceRules": 'mutation { setPriceRules(rules: [], expectedVersion: 0, note: "") { success } }',
    "setExchangeRates": "mutation { setExchangeRates(rates: []) { success } }",
    "setTaxRates": "mutation { setTaxRates(rates: []) { success } }",
}


@pytest.mark.parametrize("field", OPERATIONS)
async def test_only_finance_staff_and_administrators_reach_prices(
    gateway: Gateway, ann: Client, auth: Auth, field: str
) -> None:
    support = gateway.client.signed_in(await auth.token("help@example.com", role="support"))
    for client, code in (
        (gateway.client, "UNAUTHENTICATED"),
        (ann, "FORBIDDEN"),
        (support, "FORBIDDEN"),
    ):
        answer = await client.ask(OPERATIONS[field])
        assert answer.code == code
        assert answer.body["data"] == {field: None}
    assert not gateway.prices.requests
    for role in ("finance", "admin"):
        client = gateway.client.signed_in(await auth.token(f"{role}@example.com", role=role))
        await client.ask(OPERATIONS[field])
        assert gateway.prices.requests
        gateway.prices.requests.clear()


async def test_rates_are_read_and_set(gateway: Gateway, finance: Client) -> None:
    rate = pb.ExchangeRate(
        base="USD", quote="EUR", rate="0.92", at=MOMENT, source=pb.EXCHANGE_RATE_SOURCE_ECB
    )
    missing = pb.ExchangeRate(base="USD", quote="CHF", stale=True, needed=True)
    tax = pb.TaxRate(country="DE", percent="19", updated_at=MOMENT)
    answers: dict[str, Any] = {
        "GetExchangeRates": pb.GetExchangeRatesResponse(rates=[rate, missing]),
        "SetExchangeRates": pb.SetExchangeRatesResponse(rates=[rate], changed=9),
        "ListTaxRates": pb.ListTaxRatesResponse(rates=[tax]),
        "SetTaxRates": pb.SetTaxRatesResponse(rates=[tax], changed=8),
    }
    gateway.prices.answers.update(answers)
    read = await finance.ask(
        """{ exchangeRates { base quote rate at source held stale needed }
            taxRates { country percent updatedAt } }"""
    )
    shown = {"base": "USD", "quote": "EUR", "rate": "0.92", "at": ISO, "source": "ECB"}
    assert read.data == {
        "exchangeRates": [
            shown | {"held": False, "stale": False, "needed": False},
            {"base": "USD", "quote": "CHF", "rate": None, "at": None, "source": None}
            | {"held": False, "stale": True, "needed": True},
        ],
        "taxRates": [{"country": "DE", "percent": "19", "updatedAt": ISO}],
    }
    done = await finance.ask(
        """mutation { setExchangeRates(rates: [{base: "USD", quote: "EUR", rate: "0.92"}],
            acceptJump: true) { success changed rates { rate } code } }"""
    )
    assert done.data["setExchangeRates"] == {
        "success": True,
        "changed": 9,
        "rates": [{"rate": "0.92"}],
        "code": None,
    }
    done = await finance.ask(
        """mutation { setTaxRates(rates: [{country: "DE", percent: "19"}, {country: "FR"}]) {
            success changed rates { percent } code } }"""
    )
    assert done.data["setTaxRates"]["changed"] == 8
    *_, exchange, taxes = gateway.prices.requests
    assert exchange.accept_jump
    assert [(one.country, one.percent) for one in taxes.rates] == [("DE", "19"), ("FR", "")]


async def test_a_jump_of_a_rate_is_refused_as_data(gateway: Gateway, finance: Client) -> None:
    refused = Failure(Kind.REFUSED, "RATE_JUMP", "USD/EUR would change by 50 %")
    gateway.prices.answers |= {"SetExchangeRates": refused, "SetTaxRates": refused}
    for field in ("setExchangeRates", "setTaxRates"):
        answer = await finance.ask(
            f"mutation {{ {field}(rates: []) {{ success rates {{ __typename }} code }} }}"
        )
        assert answer.data[field] == {"success": False, "rates": [], "code": "RATE_JUMP"}


async def test_a_wrong_cursor_is_refused_as_one(gateway: Gateway, finance: Client) -> None:
    gateway.prices.answers["ListPlanPrices"] = Failure(
        Kind.INVALID, "INVALID_PAGE_TOKEN", "no", fields={"page_token": "no"}
    )
    answer = await finance.ask('{ planPrices(after: "x") { nextCursor } }')
    assert answer.error["extensions"]["reason"] == "INVALID_CURSOR"
    assert list(answer.error["extensions"]["fields"]) == ["after"]


async def test_an_empty_tax_rate_does_not_remove_the_country(
    gateway: Gateway, finance: Client
) -> None:
    answer = await finance.ask(
        """mutation { setTaxRates(rates: [{country: "FR"}, {country: "DE", percent: ""}]) {
             success error code } }"""
    )
    refused = answer.data["setTaxRates"]
    assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")
    assert refused["error"].startswith("rates[1].percent: must not be empty; omit it to remove")
    assert not gateway.prices.requests
