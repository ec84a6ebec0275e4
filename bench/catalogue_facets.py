"""Cost of counting plans for a filter bar: by SQL, from memory, and from the service's cache."""

from typing import Any

from kit.auth.sessions import ANONYMOUS
from kit.db.database import Database
from kit.values.checks import Checks
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2
from services.catalogue import facets, requests
from services.catalogue.price_lists import Source
from services.catalogue.snapshot.refresh import Current

# Choices in the filter bar, from none to many.
CHOSEN = {
    "nothing": pb.PlanFilter(),
    "country": pb.PlanFilter(country="C1"),
    "country, duration, price": pb.PlanFilter(
        country="C1", duration_days=30, max_price=money_pb2.Money(units=25)
    ),
    "region, unlimited": pb.PlanFilter(region="Region 3", unlimited=True),
    "text": pb.PlanFilter(text="country 1"),
}


async def counted(database: Database, source: Source, chosen: pb.PlanFilter) -> int:
    """Count the facets of a filter by SQL; return the number of statements."""
    filters = set(facets.filters(requests.plan_filter(Checks(), chosen)))
    async with database.session(ANONYMOUS) as connection:
        for condition in filters:
            await facets.tally(connection, source, condition)
    return len(filters)


async def in_memory(current: Current, chosen: pb.PlanFilter) -> int:
    """Count the facets of a filter from memory; return the number of counts."""
    filters = set(facets.filters(requests.plan_filter(Checks(), chosen)))
    assert current.snapshot is not None
    for condition in filters:
        current.snapshot.tally(condition)
    return len(filters)


async def cached(stub: Any, chosen: pb.PlanFilter) -> int:
    """Call for facets that the service has cached; return their total."""
    answer = await stub.GetPlanFacets(pb.GetPlanFacetsRequest(filter=chosen))
    return int(answer.total_size)
