"""Facets over gRPC, compared with a plain loop over all plans."""

import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2 as pb
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop, bundle
from tests.component.catalogue.plain_filters import in_loop, random_filter, read_file, to_proto

Row = dict[str, Any]


async def facets(shop: Shop, **conditions: Any) -> pb.GetPlanFacetsResponse:
    request = pb.GetPlanFacetsRequest(filter=pb.PlanFilter(**to_proto(conditions)))
    answer: pb.GetPlanFacetsResponse = await shop.call("GetPlanFacets", request)
    return answer


def as_dict(answer: pb.GetPlanFacetsResponse) -> dict[str, Any]:
    """Convert the answer to the shape of `looped`; lists keep their order."""
    prices = (answer.lowest_price, answer.highest_price)
    return {
        "total": answer.total_size,
        "countries": [
            (row.country.name, row.country.iso, row.plan_count) for row in answer.countries
        ],
        "regions": [(row.name, row.plan_count) for row in answer.regions],
        "durations": [(row.days, row.plan_count) for row in answer.durations],
        "prices": [money.from_proto(price) for price in prices]
        if answer.HasField("lowest_price")
        else [],
        "unlimited": (answer.unlimited_count, answer.limited_count),
        "groups": [(row.name, row.plan_count) for row in answer.bundle_groups],
    }


def looped(rows: list[Row], conditions: dict[str, Any]) -> dict[str, Any]:
    """Compute the facets with a plain loop."""

    def without(*own: str) -> list[Row]:
        others = {name: value for name, value in conditions.items() if name not in own}
        names = in_loop(rows, **others)
        return [row for row in rows if row["name"] in names]

    def counted(values: Iterable[set[Any]]) -> list[tuple[Any, int]]:
        return sorted(Counter(value for some in values for value in some).items())

    def regions_of(row: Row) -> set[str]:
        regions = [country["region"] for country in row["countries"]]
        main = any(2 * regions.count(region) > len(regions) for region in regions)
        return {*regions} if main else {*regions, "Global"}

    kinds = Counter(row["unlimited"] for row in without("unlimited"))
    prices = [row["price"] for row in without("min_price", "max_price")]
    countries = (
        {(country["name"], country["iso"]) for country in row["countries"]}
        for row in without("country", "countries")
    )
    return {
        "total": len(without()),
        "countries": [(*country, count) for country, count in counted(countries)],
        "regions": counted(regions_of(row) for row in without("region")),
        "durations": counted(
            {row["duration"]}
            for row in without("duration_days", "min_duration_days", "max_duration_days")
        ),
        "prices": [min(prices), max(prices)] if prices else [],
        "unlimited": (kinds[True], kinds[False]),
        "groups": counted(set(row["groups"]) for row in without("bundle_group")),
    }


async def test_facets_of_random_filters_match_a_plain_loop(open_shop: OpenShop) -> None:
    async with open_shop() as shop:
        rows = await read_file(shop, None)
        rng = random.Random(417)
        chosen: list[dict[str, Any]] = [{}, *(random_filter(rng, rows) for _ in range(80))]
        met = 0
        for conditions in chosen:
            answer = as_dict(await facets(shop, **conditions))
            assert answer == looped(rows, conditions), conditions
            met += len(answer["countries"]) > 1
        assert met > 40  # the filters must match something


async def test_each_facet_ignores_its_own_condition(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        answer = await facets(shop, country="FR", duration_days=10, max_price=Decimal(5))
        assert as_dict(answer) == {
            "total": 1,
            "countries": [("France", "FR", 1)],
            "regions": [("Europe", 1)],
            "durations": [(5, 1), (10, 1)],
            "prices": [Decimal(2), Decimal(2)],
            "unlimited": (0, 1),
            "groups": [("Standard Fixed", 1)],
        }
        assert answer.lowest_price.currency_code == "USD"


async def test_facets_of_an_empty_result_show_which_condition_to_remove(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        answer = await facets(shop, country="JP", duration_days=30, unlimited=False)
        assert answer.total_size == 0
        assert (answer.unlimited_count, answer.limited_count) == (1, 0)
        assert [row.days for row in answer.durations] == [90]
        assert not answer.HasField("lowest_price")
        assert not answer.regions


async def test_facets_reflect_every_change(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        assert (await facets(shop)).total_size == 4
        await shop.hide("esim_d")
        assert as_dict(await facets(shop)) == looped(
            [row for row in FOUR if row["name"] != "esim_d"], {}
        )
        await shop.control_sandbox("catalogue/price", name="esim_b", price=0.5)
        await shop.sync()
        assert money.from_proto((await facets(shop)).lowest_price) == Decimal("0.5")


async def test_a_country_counts_once_for_a_plan_that_names_it_twice(open_shop: OpenShop) -> None:
    twice = bundle("esim_e", 1, "FR", "FR", groups=["Standard Fixed", "Standard Fixed"])
    async with open_shop([twice]) as shop:
        answer = as_dict(await facets(shop))
        assert answer["countries"] == [("France", "FR", 1)]
        assert answer["groups"] == [("Standard Fixed", 1)]


async def test_invalid_filters_are_refused_as_in_lists(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure, match="did you mean France") as caught:
            await facets(shop, country="Frnace")
        assert caught.value.reason == "UNKNOWN_COUNTRY"
        with pytest.raises(Failure) as caught:
            await facets(shop, duration_days=0, include_unavailable=True)
        assert caught.value.kind is Kind.INVALID
        assert set(caught.value.fields) == {"filter.duration_days", "filter.include_unavailable"}
        request = pb.GetPlanFacetsRequest(
            filter=pb.PlanFilter(max_price=money.to_proto(Decimal(1), "GBP"))
        )
        with pytest.raises(Failure, match="must be in USD"):
            await shop.call("GetPlanFacets", request)
