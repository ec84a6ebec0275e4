"""Previews of prices, lists of prices, tax rates, and quotes for other services."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.__main__ import serve
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import EIGHT, FOUR, NAMES, OpenShop, Shop
from tests.component.catalogue.price_rules import (
    EUR,
    USD,
    explain,
    fixed,
    history,
    listed,
    markup,
    set_rate,
    set_rules,
    set_tax,
)
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sandboxes import Serving


async def preview(shop: Shop, **fields: Any) -> list[pb.PriceListPreview]:
    answer = await shop.prices("PreviewPrices", pb.PreviewPricesRequest(**fields))
    return list(answer.lists)


async def quote(shop: Shop, name: str, currency: str = "") -> pb.QuotePlanResponse:
    request = pb.QuotePlanRequest(plan_id=str(plan_id(name)), currency=currency)
    answer: pb.QuotePlanResponse = await shop.prices("QuotePlan", request)
    return answer


async def test_many_plans_are_quoted_as_each_is_alone(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        names = ("esim_a", "esim_c", "esim_h")
        unknown = "00000000-0000-4000-8000-000000000000"
        request = pb.BatchQuotePlansRequest(
            plan_ids=[unknown, *(str(plan_id(name)) for name in names)]
        )
        for priced in (False, True):
            if priced:
                await set_rules(shop, [USD], [markup("All", "50")])
            answer: pb.BatchQuotePlansResponse = await shop.prices("BatchQuotePlans", request)
            found = {one.plan.name: one for one in answer.quotes}
            assert found == {name: await quote(shop, name) for name in names}


async def test_a_preview_compares_with_the_prices_of_now_and_changes_nothing(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        # Costs are 1 to 8 USD, and are the prices until there are lists.
        capped = pb.PriceList(
            id="usd", currency="USD", min_margin="0.5", max_markup_percent="50", payment_fee="0.3"
        )
        rules = [fixed("H", "20", plans=["esim_h"]), markup("All", "10")]
        [first] = await preview(shop, lists=[capped], rules=rules, page_size=2)
        assert (first.plan_count, first.raised, first.unsellable) == (8, 6, 2)
        # 10 % of 2 to 7 are less than 0.8; of 1, the price would have to be 80 % above the cost.
        assert (first.lifted, first.added, first.unchanged, first.lowered) == (6, 0, 0, 0)
        assert [one.plan_name for one in first.worst] == ["esim_g", "esim_f"]
        assert money.text(first.worst[0].price) == "7.8"
        assert Decimal(first.worst[0].margin) == Decimal("0.5")
        assert first.worst[0].margin_percent == "6.41"
        assert {(one.from_percent, one.plan_count) for one in first.margins} == {
            (5, 3),
            (10, 2),
            (15, 1),
        }
        assert not await shop.databases.admin.fetchval(
            "select rule_version from catalogue.revision"
        )
        assert money.text((await shop.plan("esim_a")).price) == "1"

        await set_rules(shop, [USD], [markup("All", "50")])
        cheaper = [fixed("A", "1.5", plans=["esim_a"]), markup("All", "20")]
        await set_rate(shop, "USD", "EUR", "1")
        usd, eur = await preview(
            shop, lists=[USD, pb.PriceList(id="eur", currency="EUR")], rules=[markup("All", "20")]
        )
        assert (usd.lowered, usd.unchanged, eur.added) == (8, 0, 8)
        [usd] = await preview(shop, lists=[USD], rules=cheaper)
        assert (usd.lowered, usd.unchanged) == (7, 1)
        assert money.text((await shop.plan("esim_a")).price) == "1.5"


async def test_prices_and_their_history_are_listed_in_pages(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        with pytest.raises(Failure, match="NO_PRICE_LISTS"):
            await listed(shop)
        for version, percent in enumerate(("10", "20", "30")):
            await set_rules(shop, [USD], [markup("All", percent)], expected=version)
        found = []
        request = pb.ListPlanPricesRequest(page_size=3)
        while True:
            page = await shop.prices("ListPlanPrices", request)
            found += [price.plan_name for price in page.prices]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert found == NAMES
        versions = []
        old = pb.ListPriceHistoryRequest(plan="esim_a", page_size=1)
        while True:
            page = await shop.prices("ListPriceHistory", old)
            versions += [(price.rule_version, money.text(price.price)) for price in page.prices]
            old.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert versions == [(3, "1.3"), (2, "1.2"), (1, "1.1")]
        with pytest.raises(Failure, match="UNKNOWN_CURRENCY"):
            await history(shop, "esim_a", "GBP")
        with pytest.raises(Failure, match="INVALID_PAGE_TOKEN"):
            await shop.prices("ListPlanPrices", pb.ListPlanPricesRequest(page_token="x"))
        with pytest.raises(Failure, match="currency: must be an ISO 4217 code"):
            await history(shop, "esim_a", "\0")


async def test_tax_rates_change_prices(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        german = pb.PriceList(id="usd", currency="USD", tax_country="DE")
        with pytest.raises(Failure, match="esimgo taxes set") as caught:
            await set_rules(shop, [german])
        assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "TAX_RATE_MISSING")
        answer = await set_tax(shop, DE="10", FR="20.5")
        assert ([one.country for one in answer.rates], answer.changed) == (["DE", "FR"], 0)
        await set_rules(shop, [german])
        assert money.text((await shop.plan("esim_a")).price) == "2.2"
        answer = await set_tax(shop, DE="19", FR="")
        assert ([one.percent for one in answer.rates], answer.changed) == (["19"], 4)
        plan = await shop.plan("esim_a")
        assert (money.text(plan.price), plan.tax_rate, plan.price_includes_tax) == (
            "2.38",
            "19",
            True,
        )
        with pytest.raises(Failure, match="TAX_RATE_IN_USE"):
            await set_tax(shop, DE="")
        listing = await shop.prices("ListTaxRates", pb.ListTaxRatesRequest())
        assert [one.percent for one in listing.rates] == ["19"]


@pytest.mark.parametrize(
    ("rates", "field"),
    [
        ([], "rates"),
        ([("Germany", "19")], "rates[0].country"),
        ([("XX", "19")], "rates[0].country"),
        ([("DE", "19"), ("DE", "20")], "rates[1].country"),
        ([("DE", "-1")], "rates[0].percent"),
        ([("DE", "101")], "rates[0].percent"),
        ([("FR", "20"), ("DE", "ten")], "rates[1].percent"),
    ],
)
async def test_bad_tax_rates_are_refused_as_a_whole(
    open_shop: OpenShop, rates: list[tuple[str, str]], field: str
) -> None:
    async with open_shop(EIGHT, read=False) as shop:
        request = pb.SetTaxRatesRequest(
            rates=[pb.TaxRate(country=country, percent=percent) for country, percent in rates]
        )
        with pytest.raises(Failure) as caught:
            await shop.prices("SetTaxRates", request)
        assert list(caught.value.fields) == [field]
        assert not (await shop.prices("ListTaxRates", pb.ListTaxRatesRequest())).rates


async def test_a_quote_has_the_price_of_the_list_and_its_terms(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        before = await quote(shop, "esim_a")
        assert before.plan == await shop.plan("esim_a")
        assert before.HasField("confirmed_at")
        assert money.text(before.terms.cost) == money.text(before.plan.price) == "2"
        assert (before.terms.price_list, before.terms.least_price) == ("", "0")
        with pytest.raises(Failure, match="UNKNOWN_CURRENCY"):
            await quote(shop, "esim_a", "EUR")

        await set_rate(shop, "USD", "EUR", "0.8")
        await set_tax(shop, DE="19")
        await set_rules(shop, [USD, EUR], [markup("All", "100")])
        after = await quote(shop, "esim_a", "EUR")
        explained = await explain(shop, "esim_a", "EUR")
        assert money.text(after.plan.price) == money.text(explained.price.price) == "3.99"
        terms = after.terms
        assert (terms.price_list, terms.rule_version, terms.exchange_rate) == ("eur", 1, "0.8")
        assert (terms.tax_rate, terms.includes_tax) == ("0.19", True)
        assert (terms.payment_fee_share, terms.payment_fee) == ("0.029", "0.3")
        assert (terms.exchange_rate_buffer, terms.min_margin_to_absorb) == ("0.02", "0")
        assert terms.least_price == explained.least_price
        assert terms.valid_from == explained.price.valid_from
        assert money.text((await quote(shop, "esim_a")).plan.price) == "4"
        with pytest.raises(Failure, match="PLAN_NOT_FOUND"):
            await quote(shop, "esim_x")


async def test_a_quote_of_an_outdated_cost_is_not_confirmed(
    open_shop: OpenShop, serving: Serving
) -> None:
    """During an upgrade, a process of the previous release reads the catalogue and computes no prices."""
    async with open_shop(FOUR) as shop:
        await set_rules(shop, [USD], [markup("All", "100")])
        admin = shop.databases.admin
        run = await admin.fetchval("insert into catalogue.sync_runs default values returning id")
        async with serving(serve, shop.settings):  # joins that run
            await admin.execute("update catalogue.data_plans set price = 3 where name = 'esim_a'")
            outdated, current = await quote(shop, "esim_a"), await quote(shop, "esim_b")
            assert (money.text(outdated.terms.cost), outdated.HasField("confirmed_at")) == (
                "2",
                False,
            )
            assert current.HasField("confirmed_at")
            await admin.execute(
                "update catalogue.sync_runs set finished_at = now(), error = '' where id = $1", run
            )
            async with asyncio.timeout(PATIENCE):
                while money.text(outdated.terms.cost) != "3":
                    outdated = await quote(shop, "esim_a")
            assert money.text(outdated.plan.price) == "6"
            assert outdated.HasField("confirmed_at")


async def test_prices_are_for_the_finance_staff_and_quotes_for_services(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT, read=False) as shop:
        session = await shop.auth.sign_in("finance@example.com", role="finance")
        finance, customer = session["access_token"], await shop.auth.token("ada@example.com")
        await shop.prices("GetPriceRules", pb.GetPriceRulesRequest(), finance)
        for token, request in (
            (customer, pb.GetPriceRulesRequest()),
            (customer, pb.ListPlanPricesRequest()),
            (customer, pb.SetPriceRulesRequest()),
            (finance, pb.QuotePlanRequest()),
        ):
            with pytest.raises(Failure) as caught:
                await shop.prices(type(request).__name__.removesuffix("Request"), request, token)
            assert caught.value.kind is Kind.FORBIDDEN


async def test_a_request_without_a_note_or_with_bad_rules_changes_nothing(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        bad = markup("Typo", "-10", countries=["Franse"])
        request = pb.SetPriceRulesRequest(lists=[USD], rules=[bad], expected_version=-1)
        with pytest.raises(Failure) as caught:
            await shop.prices("SetPriceRules", request)
        assert set(caught.value.fields) == {
            "note",
            "expected_version",
            "rules[0].value",
            "rules[0].match.countries[0]",
        }
        names = {"regions": "Europa", "groups": "Standard", "plans": "esim_z"}
        for field, name in names.items():
            typo = markup("Typo", "1")
            getattr(typo.match, field).append(name)
            with pytest.raises(Failure, match=rf"rules\[0\].match.{field}\[0\]"):
                await set_rules(shop, [USD], [typo])
        stored = await shop.prices("GetPriceRules", pb.GetPriceRulesRequest())
        assert stored.rule_set.version == 0
