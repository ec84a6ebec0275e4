"""Prices over gRPC: setting rules, listing, explaining and previewing prices, and their history."""

import asyncio
from decimal import Decimal

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import EIGHT, FOUR, OpenShop, Shop
from tests.component.catalogue.price_rules import (
    EUR,
    JPY,
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

FRANCE = markup("France", "40", countries=["FR"])
REST = markup("Rest", "100")


async def with_three_lists(shop: Shop) -> pb.SetPriceRulesResponse:
    await set_rate(shop, "EUR", "USD", "1.25")
    await set_rate(shop, "USD", "JPY", "150")
    await set_tax(shop, DE="19")
    return await set_rules(shop, [USD, EUR, JPY], [FRANCE, REST])


def amounts(prices: dict[str, pb.PlanPrice]) -> dict[str, str]:
    return {name: money.text(price.price) for name, price in prices.items()}


async def test_rules_price_every_plan_in_every_list(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        answer = await with_three_lists(shop)
        assert (answer.changed, answer.unsellable, answer.rule_set.version) == (12, 0, 1)
        usd, eur, jpy = [await listed(shop, code) for code in ("USD", "EUR", "JPY")]
        # esim_a covers nothing but France.
        assert amounts(usd) == {
            "esim_a": "2.8",
            "esim_b": "3",
            "esim_c": "24.25",
            "esim_d": "80",
        }
        # 2 USD plus 40 % are 2.24 EUR, 2.67 with tax; but 2.99 would leave 0.499 EUR.
        assert amounts(eur)["esim_a"] == "3.99"
        # 1.5 USD plus 100 % are 2.4 EUR, 2.86 with tax.
        assert amounts(eur)["esim_b"] == "2.99"
        assert amounts(jpy)["esim_c"] == "3638"
        assert usd["esim_a"].rule == "France"
        assert (eur["esim_a"].exchange_rate, eur["esim_a"].tax_rate) == ("0.8", "19")
        plans = await shop.call("ListPlans", catalogue_pb2.ListPlansRequest(currency="EUR"))
        assert {plan.name: money.text(plan.price) for plan in plans.plans} == amounts(eur)


async def test_a_version_is_returned_as_it_was_set(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        empty = (await shop.prices("GetPriceRules", pb.GetPriceRulesRequest())).rule_set
        assert (empty.version, list(empty.lists), empty.HasField("created_at")) == (0, [], False)
        token = await shop.auth.token("admin@example.com", admin=True)
        await set_rules(shop, [USD], [FRANCE], token=token)
        await set_rules(shop, [USD], [REST], expected=1)
        first = await shop.prices("GetPriceRules", pb.GetPriceRulesRequest(version=1))
        assert (list(first.rule_set.lists), list(first.rule_set.rules)) == ([USD], [FRANCE])
        assert first.rule_set.created_by == str(await shop.auth.user_id("admin@example.com"))
        request = pb.ListPriceRuleVersionsRequest(page_size=1)
        page = await shop.prices("ListPriceRuleVersions", request)
        assert [one.version for one in page.versions] == [2]
        assert not page.versions[0].rules
        request.page_token = page.next_page_token
        page = await shop.prices("ListPriceRuleVersions", request)
        assert ([one.version for one in page.versions], page.next_page_token) == ([1], "")
        with pytest.raises(Failure, match="VERSION_NOT_FOUND"):
            await shop.prices("GetPriceRules", pb.GetPriceRulesRequest(version=7))


async def test_of_two_changes_at_once_exactly_one_is_a_conflict(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        rules = [set_rules(shop, [USD], [markup("All", str(i))]) for i in range(10, 14)]
        results = await asyncio.gather(*rules, return_exceptions=True)
        failures = [one for one in results if isinstance(one, Failure)]
        assert [(one.kind, one.reason) for one in failures] == [
            (Kind.CONFLICT, "VERSION_CONFLICT")
        ] * 3
        [set_by] = [one for one in results if isinstance(one, pb.SetPriceRulesResponse)]
        stored = await shop.prices("GetPriceRules", pb.GetPriceRulesRequest())
        assert stored.rule_set == set_by.rule_set
        assert set((await listed(shop)).popitem()[1].rule) <= set("All")


async def test_the_steps_of_an_explanation_add_up_to_the_listed_price(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await with_three_lists(shop)
        for currency in ("USD", "EUR", "JPY"):
            for name, price in (await listed(shop, currency)).items():
                explained = await explain(shop, name, currency)
                assert explained.price == price
                ends = [money.text(price.cost), *(step.after for step in explained.steps)]
                starts = [*(step.before for step in explained.steps), money.text(price.price)]
                assert [Decimal(end) for end in ends] == [Decimal(start) for start in starts]
                margin = Decimal(explained.net_price) - Decimal(explained.payment_fee)
                assert margin - Decimal(explained.converted_cost) == Decimal(price.margin)
        kinds = [step.kind for step in (await explain(shop, "esim_a", "EUR")).steps]
        assert kinds == [
            pb.PRICE_STEP_KIND_RULE,
            pb.PRICE_STEP_KIND_CONVERSION,
            pb.PRICE_STEP_KIND_TAX,
            pb.PRICE_STEP_KIND_ROUNDING,
            pb.PRICE_STEP_KIND_FLOOR,
        ]
        by_id = await explain(shop, str(plan_id("esim_a")), "EUR")
        assert by_id.steps[0].description == "rule France: cost plus 40 %"
        with pytest.raises(Failure, match="PLAN_NOT_FOUND"):
            await explain(shop, "esim_x")
        with pytest.raises(Failure, match="must be USD, EUR or JPY"):
            await explain(shop, "esim_a", "GBP")


async def test_a_new_cost_changes_the_price_in_the_same_revision(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_rules(shop, [USD], [REST])
        await shop.control_sandbox("catalogue/price", name="esim_a", price=5)
        assert (await shop.sync()).changed == 1
        now, before = await history(shop, "esim_a")
        assert (money.text(now.cost), money.text(now.price)) == ("5", "10")
        assert (money.text(before.cost), money.text(before.price)) == ("2", "4")
        assert before.valid_to == now.valid_from
        assert not now.HasField("valid_to")
        assert len(await history(shop, "esim_b")) == 1
        assert money.text((await shop.plan("esim_a")).price) == "10"
        # Nothing changes, so nothing is written.
        await shop.sync()
        assert len(await history(shop, "esim_a")) == 2


async def test_a_change_of_the_cost_alone_is_invisible_to_the_public(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_rules(shop, [USD], [fixed("A", "9", plans=["esim_a"]), REST])
        before = await shop.plan("esim_a")
        await shop.control_sandbox("catalogue/price", name="esim_a", price=3)
        assert (await shop.sync()).changed == 1
        assert await shop.plan("esim_a") == before
        # The finance staff sees when it changed.
        costs = [money.text(one.cost) for one in await history(shop, "esim_a")]
        assert costs == ["3", "2"]
        times = [before.updated_at.ToDatetime()]
        await shop.hide("esim_a")
        times.append((await shop.hide("esim_a", hidden=False)).updated_at.ToDatetime())
        await set_rules(shop, [USD], [fixed("A", "10", plans=["esim_a"]), REST], expected=1)
        times.append((await shop.plan("esim_a")).updated_at.ToDatetime())
        assert sorted(set(times)) == times


async def test_a_price_that_does_not_change_has_no_new_history(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_rules(shop, [USD], [REST])
        fee = pb.PriceList(id="usd", currency="USD", payment_fee="0.1")
        answer = await set_rules(shop, [fee], [REST], expected=1)
        assert answer.changed == 0
        [price] = await history(shop, "esim_a")
        assert price.rule_version == 1
        assert (await explain(shop, "esim_a")).least_price == "2.1"
        answer = await set_rules(shop, [fee], [fixed("A", "9", plans=["esim_a"]), REST], expected=2)
        assert answer.changed == 1
        assert [one.rule_version for one in await history(shop, "esim_a")] == [3, 1]
        # The list is removed.
        await set_rules(shop, [], expected=3)
        assert all(one.HasField("valid_to") for one in await history(shop, "esim_a", "USD"))
        assert money.text((await shop.plan("esim_a")).price) == "2"


async def test_plans_without_an_allowed_price_are_off_sale_and_listed(open_shop: OpenShop) -> None:
    capped = pb.PriceList(id="usd", currency="USD", min_margin="3", max_markup_percent="150")
    async with open_shop(FOUR) as shop:
        answer = await set_rules(shop, [capped])
        # 2 + 3 and 1.5 + 3 are more than 150 % above their costs.
        assert answer.unsellable == 1
        unsellable = await listed(shop, only_unsellable=True)
        assert list(unsellable) == ["esim_b"]
        assert money.text(unsellable["esim_b"].price) == "4.5"
        assert [plan.name for plan in await shop.plans()] == ["esim_a", "esim_c", "esim_d"]
        hidden = await shop.plan("esim_b")
        assert (hidden.hidden, hidden.available_quantity) == (True, 0)
        # The public reads it, so it isn't the cost.
        assert money.text(hidden.price) == "4.5"
        prices = await listed(shop)
        assert prices["esim_a"].lifted
        assert money.text(prices["esim_a"].price) == "5"


async def test_the_price_of_a_plan_that_no_price_allows_does_not_show_its_cost(
    open_shop: OpenShop,
) -> None:
    greedy = pb.PriceList(
        id="usd", currency="USD", min_margin_percent="99", payment_fee_percent="2"
    )
    async with open_shop(FOUR) as shop:
        assert (await set_rules(shop, [greedy])).unsellable == 4
        assert await shop.plans() == []
        prices = {money.text((await shop.plan(plan)).price) for plan in ("esim_a", "esim_c")}
        assert prices == {"999999999999999.99"}
        explained = await explain(shop, "esim_a")
        assert explained.steps[-1].description.startswith("not sold, because no price keeps")
        assert (explained.steps[-1].after, explained.least_price) == (prices.pop(), "")


async def test_a_fixed_price_below_the_least_price_changes_nothing(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_rules(shop, [USD], [REST])
        cheap = fixed("Cheap", "1.99", countries=["France"])
        with pytest.raises(Failure) as caught:
            await set_rules(shop, [USD], [cheap, REST], expected=1)
        assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "SELLS_AT_A_LOSS")
        assert caught.value.details == {"rules": "Cheap", "plans": "esim_a", "plan_count": "1"}
        with pytest.raises(Failure, match="SELLS_AT_A_LOSS"):
            await shop.prices("PreviewPrices", pb.PreviewPricesRequest(lists=[USD], rules=[cheap]))
        stored = await shop.prices("GetPriceRules", pb.GetPriceRulesRequest())
        assert (stored.rule_set.version, list(stored.rule_set.rules)) == (1, [REST])
        assert len(await history(shop, "esim_a")) == 1
        # The cost rises later: the price is lifted.
        ok = fixed("Cheap", "2", countries=["France"])
        await set_rules(shop, [USD], [ok, REST], expected=1)
        await shop.control_sandbox("catalogue/price", name="esim_a", price=3)
        await shop.sync()
        lifted = (await history(shop, "esim_a"))[0]
        assert (money.text(lifted.price), lifted.lifted) == ("3", True)


async def test_a_list_needs_an_exchange_rate(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure, match="from USD to JPY") as caught:
            await set_rules(shop, [USD, JPY])
        assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "EXCHANGE_RATE_MISSING")
        assert (
            await shop.databases.admin.fetchval("select count(*) from catalogue.plan_prices") == 0
        )


async def test_changes_of_rules_costs_and_plans_at_once_do_not_block_each_other(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        await set_rules(shop, [USD], [markup("All", "10")])
        for version in range(1, 6):
            await shop.control_sandbox("catalogue/price", name="esim_a", price=version)
            run, *_ = await asyncio.gather(
                shop.sync(),
                set_rules(shop, [USD], [markup("All", str(10 * version))], expected=version),
                shop.hide("esim_b", hidden=version % 2 == 0),
                set_tax(shop, DE=str(version)),
            )
            assert run.error == ""
        await shop.sync()
        prices = await listed(shop)
        assert money.text(prices["esim_a"].price) == "7.5"
        ends = [one.valid_to for one in (await history(shop, "esim_a"))[1:]]
        starts = [one.valid_from for one in (await history(shop, "esim_a"))[:-1]]
        assert ends == starts
