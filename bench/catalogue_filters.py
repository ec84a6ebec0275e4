"""Filters and orders of the pages of plans."""

from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2

PRICE = money_pb2.Money(units=25)
# Filters of a shop, each also as GraphQL.
FILTERS: dict[str, tuple[pb.PlanFilter, str]] = {
    "no filter": (pb.PlanFilter(), "{}"),
    "country, price at most": (
        pb.PlanFilter(country="C0", max_price=PRICE),
        '{country: "C0", maxPrice: 25}',
    ),
    "region, duration": (
        pb.PlanFilter(region="Region 3", duration_days=30),
        '{region: "Region 3", duration: 30}',
    ),
    "duration": (pb.PlanFilter(duration_days=7), "{duration: 7}"),
    "unlimited": (pb.PlanFilter(unlimited=True), "{unlimited: true}"),
    "group": (pb.PlanFilter(bundle_group="Standard Fixed"), '{bundleGroup: "Standard Fixed"}'),
    "text": (pb.PlanFilter(text="country 1"), '{text: "country 1"}'),
    "price at most": (pb.PlanFilter(max_price=PRICE), "{maxPrice: 25}"),
    "price at most 5": (pb.PlanFilter(max_price=money_pb2.Money(units=5)), "{maxPrice: 5}"),
    # Combinations and limits that no single index serves.
    "country, group": (
        pb.PlanFilter(country="C0", bundle_group="Standard Fixed"),
        '{country: "C0", bundleGroup: "Standard Fixed"}',
    ),
    "country, rare price": (
        pb.PlanFilter(country="C0", max_price=money_pb2.Money(units=4)),
        '{country: "C0", maxPrice: 4}',
    ),
    "price at most 8.05": (
        pb.PlanFilter(max_price=money_pb2.Money(units=8, nanos=50_000_000)),
        "{maxPrice: 8.05}",
    ),
    "price at least 49.99": (
        pb.PlanFilter(min_price=money_pb2.Money(units=49, nanos=990_000_000)),
        "{minPrice: 49.99}",
    ),
    "rare text": (pb.PlanFilter(text="1gb country 1"), '{text: "1gb country 1"}'),
}
ORDERS = {
    "name": pb.PLAN_ORDER_NAME,
    "price": pb.PLAN_ORDER_PRICE_ASC,
    "price, dearest": pb.PLAN_ORDER_PRICE_DESC,
    "duration": pb.PLAN_ORDER_DURATION_ASC,
    "data": pb.PLAN_ORDER_DATA_DESC,
}
