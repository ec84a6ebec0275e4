"""Requests choose a price list by currency; plans that a list can't sell are hidden in it."""

from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop
from tests.component.catalogue.snapshots import books
from tests.fixtures.prices.price_lists import DINARS, DOLLARS, LISTS, YEN, set_lists

REQUESTS: list[tuple[str, Any]] = [
    ("ListPlans", pb.ListPlansRequest()),
    ("GetPlan", pb.GetPlanRequest(name="esim_a")),
    ("BatchGetPlans", pb.BatchGetPlansRequest(names=["esim_a"])),
    ("BatchListTopUpPlans", pb.BatchListTopUpPlansRequest(plan_ids=[str(plan_id("esim_a"))])),
    ("ListFeaturedPlans", pb.ListFeaturedPlansRequest()),
    ("ListRegions", pb.ListRegionsRequest()),
    ("ListCountries", pb.ListCountriesRequest()),
    ("GetPlanFacets", pb.GetPlanFacetsRequest()),
]


async def in_currency(shop: Shop, method: str, request: Any, currency: str) -> Any:
    asked = type(request)()
    asked.CopyFrom(request)
    asked.currency = currency
    return await shop.call(method, asked)


async def plan_in(shop: Shop, name: str, currency: str) -> pb.DataPlan:
    answer = await in_currency(shop, "GetPlan", pb.GetPlanRequest(name=name), currency)
    found: pb.DataPlan = answer.plan
    return found


async def names(shop: Shop, currency: str, **fields: Any) -> list[str]:
    answer = await shop.call("ListPlans", pb.ListPlansRequest(currency=currency, **fields))
    return [plan.name for plan in answer.plans]


def only_currency(answer: Any) -> set[str]:
    """Return the currencies of all prices in an answer."""
    found: set[str] = set()
    for field, value in answer.ListFields():
        if field.message_type is None:
            continue
        for one in value if field.is_repeated else [value]:
            found |= (
                {one.currency_code} if field.message_type.name == "Money" else only_currency(one)
            )
    return found


async def test_without_price_lists_only_the_providers_currency_is_known(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        for method, request in REQUESTS:
            assert only_currency(await in_currency(shop, method, request, "USD")) == {"USD"}, method
            with pytest.raises(Failure, match="UNKNOWN_CURRENCY") as caught:
                await in_currency(shop, method, request, "EUR")
            assert caught.value.kind is Kind.INVALID
            assert caught.value.fields == {"currency": "must be USD; omit it for prices in USD"}
        plan = await shop.plan("esim_a")
        assert (plan.tax_rate, plan.price_includes_tax) == ("", False)


async def test_every_request_is_answered_in_its_currency_or_that_of_the_first_list(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await set_lists(shop.databases.admin, (YEN, DOLLARS, DINARS))
        for method, request in REQUESTS:
            for currency in ("JPY", "USD", "KWD"):
                answer = await in_currency(shop, method, request, currency)
                assert only_currency(answer) == {currency}, method
            assert only_currency(await shop.call(method, request)) == {"JPY"}, method
            for unknown in ("EUR", "usd", "\N{EURO SIGN}", "X" * 500):
                with pytest.raises(Failure, match="UNKNOWN_CURRENCY") as caught:
                    await in_currency(shop, method, request, unknown)
                assert caught.value.fields == {
                    "currency": "must be JPY, USD or KWD; omit it for prices in JPY"
                }


async def test_prices_have_the_digits_of_their_currency_and_its_tax(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_lists(shop.databases.admin, LISTS)
        texts = {}
        for currency in ("USD", "JPY", "KWD"):
            plan = await plan_in(shop, "esim_b", currency)
            texts[currency] = (money.text(plan.price), plan.tax_rate, plan.price_includes_tax)
        # The cost of 1.5 USD plus 50 % is 340.58 JPY or 0.69075 KWD.
        assert texts == {
            "USD": ("2.25", "", False),
            "JPY": ("341", "10", True),
            "KWD": ("0.691", "5", False),
        }


async def test_a_plan_that_a_list_cannot_sell_is_hidden_in_it_only(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_lists(shop.databases.admin, LISTS)  # esim_a is the first by name
        assert await names(shop, "USD") == ["esim_a", "esim_b", "esim_c", "esim_d"]
        sold = await plan_in(shop, "esim_a", "USD")
        assert (sold.hidden, sold.available_quantity) == (False, 10)
        for currency in ("JPY", "KWD"):
            assert await names(shop, currency) == ["esim_b", "esim_c", "esim_d"]
            unsold = await plan_in(shop, "esim_a", currency)
            assert (unsold.hidden, unsold.withdrawn) == (True, False)
            assert unsold.available_quantity == 0
            request = pb.BatchListTopUpPlansRequest(plan_ids=[unsold.id], currency=currency)
            answer = await shop.call("BatchListTopUpPlans", request)
            assert "esim_a" not in [plan.name for plan in answer.top_ups[0].plans]
            everything = pb.ListPlansRequest(
                filter=pb.PlanFilter(include_unavailable=True), currency=currency
            )
            admin = await shop.auth.token("admin@example.com", admin=True)
            listed = await shop.call("ListPlans", everything, admin)
            assert [plan.name for plan in listed.plans if plan.hidden] == ["esim_a"]
        # Hidden by an administrator: in every list.
        await shop.hide("esim_b")
        assert await names(shop, "USD") == ["esim_a", "esim_c", "esim_d"]
        assert await names(shop, "JPY") == ["esim_c", "esim_d"]


async def test_a_withdrawn_plan_is_readable_at_its_price(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await shop.control_sandbox("catalogue/withdraw", name="esim_b")
        await shop.sync()
        await set_lists(shop.databases.admin, LISTS)
        plan = await plan_in(shop, "esim_b", "JPY")
        assert (plan.withdrawn, plan.available_quantity, plan.price.units) == (True, 0, 341)
        request = pb.BatchGetPlansRequest(ids=[plan.id], currency="KWD")
        [same] = (await shop.call("BatchGetPlans", request)).plans
        assert money.text(same.price) == "0.691"


@pytest.mark.parametrize("method", ["ListPlans", "GetPlanFacets"])
async def test_filters_by_price_are_in_the_currency_of_the_request(
    open_shop: OpenShop, method: str
) -> None:
    async with open_shop(FOUR) as shop:
        await set_lists(shop.databases.admin, LISTS)
        request: Any = getattr(pb, f"{method}Request")
        for price in (money.to_proto(Decimal(400), "JPY"), money.to_proto(Decimal(400), "")):
            wanted = request(filter=pb.PlanFilter(max_price=price), currency="JPY")
            assert (await shop.call(method, wanted)).total_size == 1
        for currency, expected in (("JPY", "JPY"), ("", "USD")):
            dinars = pb.PlanFilter(max_price=money.to_proto(Decimal(400), "KWD"))
            with pytest.raises(Failure) as caught:
                await shop.call(method, request(filter=dinars, currency=currency))
            assert caught.value.fields == {
                "filter.max_price": f"must be in {expected}, the currency of the request, not KWD"
            }


async def test_a_page_token_belongs_to_one_currency_and_locale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_lists(shop.databases.admin, LISTS)
        order = pb.PLAN_ORDER_PRICE_ASC
        first = pb.ListPlansRequest(currency="JPY", locale="de", order_by=order, page_size=1)
        token = (await shop.call("ListPlans", first)).next_page_token
        for currency, locale in (("JPY", ""), ("KWD", "de"), ("", "de")):
            with pytest.raises(Failure, match="INVALID_PAGE_TOKEN"):
                await names(shop, currency, locale=locale, order_by=order, page_token=token)
        rest = await names(shop, "JPY", locale="de", order_by=order, page_token=token)
        assert rest == ["esim_c", "esim_d"]


async def test_a_change_of_prices_shows_at_once_even_if_it_began_before_another_change(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        admin = shop.databases.admin
        await set_lists(admin, LISTS)
        change = (
            "update catalogue.plan_prices set retail = 777, shown_at = now() where currency = 'JPY'"
        )
        transaction = admin.transaction()
        await transaction.start()
        await admin.fetchval("select now()")  # the time of the prices
        assert (await shop.hide("esim_c")).hidden
        assert (await shop.hide("esim_c", hidden=False)).available_quantity == 10
        for _ in range(2):  # the second time from memory
            before = await shop.call("ListPlans", pb.ListPlansRequest(currency="JPY"))
            assert 777 not in [plan.price.units for plan in before.plans]
        await admin.execute(change)
        await transaction.commit()
        after = await shop.call("ListPlans", pb.ListPlansRequest(currency="JPY"))
        assert [plan.price.units for plan in after.plans] == [777] * 3
        assert await names(shop, "USD") == ["esim_a", "esim_b", "esim_c", "esim_d"]


async def test_a_removed_list_is_unknown_and_its_snapshot_is_dropped(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop, books(shop.databases) as keeper:
        await set_lists(shop.databases.admin, LISTS)
        for currency in ("", "JPY", "KWD"):
            await keeper.taken(currency)
        await set_lists(shop.databases.admin, [YEN])
        with pytest.raises(Failure, match="UNKNOWN_CURRENCY"):
            await keeper.taken("KWD")
        assert (await keeper.taken()).currency == "JPY"
        assert await names(shop, "") == ["esim_b", "esim_c", "esim_d"]
        await set_lists(shop.databases.admin, [])  # sold at cost again
        assert (await keeper.taken()).currency == "USD"
        assert await names(shop, "USD") == ["esim_a", "esim_b", "esim_c", "esim_d"]
        assert (await plan_in(shop, "esim_b", "")).price == money.to_proto(Decimal("1.5"), "USD")
        assert set(keeper.snapshots._snapshots) == {""}
