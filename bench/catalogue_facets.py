"""What counting plans for a filter bar costs: anew, and from what the service keeps."""

from typing import Any

from kit.auth.sessions import ANONYMOUS
from kit.db.database import Database
from kit.values.checks import Checks
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2
from services.catalogue import facets, requests
from services.catalogue.snapshot.snapshot import Snapshot

# What may be chosen in it, from nothing to much.
CHOSEN = {
    "nothing": pb.PlanFilter(),
    "country": pb.PlanFilter(country="C1"),
    "country, duration, price": pb.PlanFilter(
        country="C1", duration_days=30, max_price=money_pb2.Money(units=25)
    ),
    "region, unlimited": pb.PlanFilter(region="Region 3", unlimited=True),
    "text": pb.PlanFilter(text="country 1"),
}


async def counted(database: Database, chosen: pb.PlanFilter) -> int:
    """Counts all that the facets of a filter take, nothing of it from before; gives the statements."""
    wanted = set(facets.filters(requests.plan_filter(Checks(), chosen)))
    async with database.session(ANONYMOUS) as connection:
        for one in wanted:
            await facets.tally(connection, one)
    return len(wanted)


async def in_memory(snapshot: Snapshot, chosen: pb.PlanFilter) -> int:
    """The same from all plans in memory; gives how often they were counted."""
    wanted = set(facets.filters(requests.plan_filter(Checks(), chosen)))
    for one in wanted:
        snapshot.tally(one)
    return len(wanted)


async def kept(stub: Any, chosen: pb.PlanFilter) -> int:
    """Asks for facets that were asked for before; gives their total."""
    answer = await stub.GetPlanFacets(pb.GetPlanFacetsRequest(filter=chosen))
    return int(answer.total_size)
