"""Lists, facets and overviews in three currencies, compared with a plain recount of 5,221 plans."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from kit.values import money
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2
from sandbox.state.own_catalogue import own_catalogue
from services.catalogue import facets, list_plans, search, store
from services.catalogue.list_top_ups import top_ups
from services.catalogue.plan import Bundle, PlanFilter, PlanOrder, plan_id
from services.catalogue.price_lists import COSTS
from tests.component.catalogue.conftest import OpenShop, Shop
from tests.component.catalogue.snapshots import Books, books
from tests.fixtures.prices.price_lists import LISTS, Priced, price_of, set_lists

PLANS = 5_221
ORDERS = {
    PlanOrder.PRICE_ASC: pb.PLAN_ORDER_PRICE_ASC,
    PlanOrder.PRICE_DESC: pb.PLAN_ORDER_PRICE_DESC,
    PlanOrder.NAME: pb.PLAN_ORDER_NAME,
}


@dataclass(frozen=True, slots=True)
class Counted:
    """The bundles on sale in a price list, at its prices, by name."""

    priced: Priced
    bundles: list[Bundle]

    def matching(self, criteria: PlanFilter) -> list[Bundle]:
        return [bundle for bundle in self.bundles if search.matches(bundle, criteria)]

    def sorted(self, criteria: PlanFilter, order: PlanOrder) -> list[tuple[str, Decimal]]:
        found = [(bundle.name, bundle.price) for bundle in self.matching(criteria)]
        if order is PlanOrder.NAME:
            return sorted(found)
        descending = order is PlanOrder.PRICE_DESC
        return sorted(found, key=lambda one: (one[1], one[0]), reverse=descending)

    def money(self, amount: Decimal) -> money_pb2.Money:
        return money.to_proto(amount, self.priced.currency)

    def filters(self) -> list[PlanFilter]:
        """Return filters with and without prices, each of which some plans match."""
        prices = sorted(bundle.price for bundle in self.bundles)
        low, middle, high = (prices[len(prices) * part // 4] for part in (1, 2, 3))
        return [
            PlanFilter(),
            PlanFilter(country="fr", max_price=middle),
            PlanFilter(region="europe", min_price=low, max_price=high, duration_days=30),
            PlanFilter(min_price=high, unlimited=False),
        ]


async def recount(shop: Shop, books: Books, priced: Priced) -> Counted:
    async with books.database.system() as connection:
        plans = [
            store.to_plan(row)
            for row in await connection.fetch(
                COSTS.sql("select {columns} from {plans} order by name")
            )
        ]
    sold = [
        plan.bundle
        for place, plan in enumerate(plans)
        if plan.available_quantity and not (priced.unsellable and place % priced.unsellable == 0)
    ]
    return Counted(
        priced,
        [replace(one, price=price_of(priced, one.price, one.duration_days)) for one in sold],
    )


def provider_sized(folder: Path) -> Path:
    """Write a catalogue of as many bundles as the provider has: the sandbox's, and variants of them."""
    bundles = own_catalogue()
    variants = [
        replace(bundle, name=f"{bundle.name}_{turn}", price=bundle.price + Decimal(turn) / 4)
        for turn in range(1, 3)
        for bundle in bundles
    ]
    rows = [bundle.to_json(-1) for bundle in (*bundles, *variants)[:PLANS]]
    path = folder / "bundles.json"
    path.write_text(json.dumps(rows, default=float))
    return path


async def test_all_answers_in_three_currencies_equal_a_plain_recount(
    open_shop: OpenShop, tmp_path: Path
) -> None:
    async with open_shop(provider_sized(tmp_path)) as shop, books(shop.databases) as keeper:
        await shop.hide("esim_1GB_7D_GB_V2")
        await set_lists(shop.databases.admin, LISTS)
        for priced in LISTS:
            counted = await recount(shop, keeper, priced)
            unsold = -(-PLANS // priced.unsellable) if priced.unsellable else 0
            assert len(counted.bundles) in (PLANS - unsold, PLANS - unsold - 1)  # one is hidden
            await lists_follow_the_recount(shop, keeper, counted)
            await facets_follow_the_recount(shop, keeper, counted)
            await overviews_follow_the_recount(shop, counted)
            await top_ups_follow_the_recount(shop, keeper, counted)


async def lists_follow_the_recount(shop: Shop, keeper: Books, counted: Counted) -> None:
    currency = counted.priced.currency
    snapshot = await keeper.taken(currency)
    source = (await keeper.current(currency)).source
    for criteria in counted.filters():
        wanted = replace(criteria, currency=currency)
        for order, number in ORDERS.items():
            expected = counted.sorted(criteria, order)
            assert expected
            for kept in (snapshot, None):
                found: list[UUID] = []
                after: list[str] | None = None
                async with keeper.database.system() as connection:
                    assert await list_plans.count_plans(connection, source, wanted) == len(expected)
                    while True:
                        page = await list_plans.list_plans(
                            *(connection, source, wanted, order),
                            snapshot=kept,
                            size=997,
                            after=after,
                        )
                        found.extend(plan for plan, _ in page.versions)
                        if not page.more:
                            break
                        after = page.keys[-1]
                assert found == [plan_id(name) for name, _ in expected], (criteria, order, kept)
            assert await listed(shop, counted, criteria, number) == expected


async def listed(
    shop: Shop, counted: Counted, criteria: PlanFilter, order: pb.PlanOrder.ValueType
) -> list[tuple[str, Decimal]]:
    """Return the names and prices of a list, page by page."""
    request = pb.ListPlansRequest(
        filter=filter_message(counted, criteria),
        order_by=order,
        page_size=2_000,
        currency=counted.priced.currency,
    )
    found: list[tuple[str, Decimal]] = []
    total = len(counted.matching(criteria))
    while True:
        answer = await shop.call("ListPlans", request)
        assert {plan.price.currency_code for plan in answer.plans} == {counted.priced.currency}
        found += [(plan.name, money.from_proto(plan.price)) for plan in answer.plans]
        assert answer.total_size == total
        request.page_token = answer.next_page_token
        if not answer.next_page_token:
            return found


def filter_message(counted: Counted, criteria: PlanFilter) -> pb.PlanFilter:
    low, high = criteria.min_price, criteria.max_price
    return pb.PlanFilter(
        country=criteria.country,
        region=criteria.region,
        duration_days=criteria.duration_days,
        unlimited=criteria.unlimited,
        min_price=None if low is None else counted.money(low),
        max_price=None if high is None else counted.money(high),
    )


async def facets_follow_the_recount(shop: Shop, keeper: Books, counted: Counted) -> None:
    currency = counted.priced.currency
    snapshot = await keeper.taken(currency)
    source = (await keeper.current(currency)).source
    for criteria in counted.filters():
        async with keeper.database.system() as connection:
            assert await facets.tally(connection, source, criteria) == snapshot.tally(criteria)
        request = pb.GetPlanFacetsRequest(
            filter=filter_message(counted, criteria), currency=currency
        )
        answer = await shop.call("GetPlanFacets", request)
        prices = [
            bundle.price
            for bundle in counted.matching(replace(criteria, min_price=None, max_price=None))
        ]
        assert answer.total_size == len(counted.matching(criteria))
        assert answer.lowest_price == counted.money(min(prices))
        assert answer.highest_price == counted.money(max(prices))
        elsewhere = counted.matching(replace(criteria, country=None))
        french = [one for one in elsewhere if "FR" in [place.iso for place in one.countries]]
        assert {row.country.iso: row.plan_count for row in answer.countries}["FR"] == len(french)


async def overviews_follow_the_recount(shop: Shop, counted: Counted) -> None:
    currency = counted.priced.currency
    regions = await shop.call("ListRegions", pb.ListRegionsRequest(currency=currency))
    for row in regions.regions:
        found = counted.matching(PlanFilter(region=fold(row.name)))
        assert (row.plan_count, row.lowest_price) == (len(found), lowest(counted, found)), row
    countries = await shop.call("ListCountries", pb.ListCountriesRequest(currency=currency))
    assert len(countries.countries) > 70
    for row in countries.countries:
        found = [one for one in counted.bundles if row.country.iso in isos(one)]
        assert (row.plan_count, row.lowest_price) == (len(found), lowest(counted, found)), row
    request = pb.ListFeaturedPlansRequest(page_size=50, currency=currency)
    featured = await shop.call("ListFeaturedPlans", request)
    best = search.cheapest_by_region(counted.bundles, 50)
    assert [(plan.name, plan.price) for plan in featured.plans] == [
        (bundle.name, counted.money(bundle.price)) for bundle in best
    ]


def isos(bundle: Bundle) -> list[str]:
    return [country.iso for country in bundle.countries]


def lowest(counted: Counted, bundles: Iterable[Bundle]) -> money_pb2.Money:
    return counted.money(min(bundle.price for bundle in bundles))


async def top_ups_follow_the_recount(shop: Shop, keeper: Books, counted: Counted) -> None:
    currency = counted.priced.currency
    source = (await keeper.current(currency)).source
    bought = counted.bundles[len(counted.bundles) // 3]
    wanted = {fold(iso) for iso in isos(bought)}

    def rank(bundle: Bundle) -> Any:
        return (not wanted <= set(map(fold, isos(bundle))), bundle.price, bundle.name)

    fitting = [one for one in counted.bundles if one.profile_name == bought.profile_name]
    expected = [one.name for one in sorted(fitting, key=rank)[:50]]
    request = pb.BatchListTopUpPlansRequest(
        plan_ids=[str(plan_id(bought.name))], page_size=50, currency=currency
    )
    answer = await shop.call("BatchListTopUpPlans", request)
    assert [plan.name for plan in answer.top_ups[0].plans] == expected
    async with keeper.database.system() as connection:
        [plan] = await store.plans_by_ids(connection, source, [plan_id(bought.name)])
        found = await top_ups(connection, source, plan, None, 50)
    assert [one for one, _ in found] == [plan_id(name) for name in expected]
