"""Finds the plans that the rows of a sheet want, by id, bundle name, or country, data and duration."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from gateway.sheets.batch_rows import BundleName, Criteria, PlanId, Problem, WantedPlan
from gateway.upstream.calls import READ_TIMEOUT
from gateway.upstream.peers import Peers
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.values import plain_text
from protos.catalogue.v1 import catalogue_pb2 as pb

# Calls to the catalogue at the same time.
CONCURRENT = 8
# Plans with the same country, data and duration: a few; more are ambiguous anyway.
PAGE = 100
# Bundle names in a message.
NAMED = 5
# Characters; the catalogue's maximum.
MAX_NAME = 200

Found = str | Problem


async def find(peers: Peers, wanted: Iterable[WantedPlan]) -> Mapping[WantedPlan, Found]:
    """Return the id of each plan, or why the wanted one is not certain.

    Plans are public, so the catalogue is called without the caller's session.
    """
    distinct = dict.fromkeys(wanted)
    names = [plan.name for plan in distinct if isinstance(plan, BundleName)]
    by_name = await _by_name(peers, [name for name in names if _is_name(name)])
    gate = asyncio.Semaphore(CONCURRENT)

    async def one(plan: WantedPlan) -> Found:
        match plan:
            case PlanId():
                return plan.id
            case BundleName():
                return by_name.get(plan.name) or Problem(
                    "plan", "PLAN_NOT_FOUND", "No plan has this id or bundle name; list the plans"
                )
            case Criteria():
                async with gate:
                    return await _by_criteria(peers, plan)

    found = await asyncio.gather(*map(one, distinct))
    return dict(zip(distinct, found, strict=True))


def _is_name(name: str) -> bool:
    return len(name) <= MAX_NAME and plain_text.is_plain(name)


async def _by_name(peers: Peers, names: Sequence[str]) -> Mapping[str, str]:
    if not names:
        return {}
    request = pb.BatchGetPlansRequest(names=names)
    response = await rpc_client.call(
        peers.catalogue.BatchGetPlans, request, token=None, timeout=READ_TIMEOUT
    )
    return {plan.name: plan.id for plan in response.plans}


async def _by_criteria(peers: Peers, criteria: Criteria) -> Found:
    """Plans of exactly this country go before those that cover others too."""
    try:
        for single in (True, False):
            plans = await _matching(peers, criteria, single=single)
            if len(plans) == 1:
                return plans[0].id
            if plans:
                return _ambiguous(plans)
    except Failure as failure:
        if failure.kind is not Kind.INVALID:
            raise
        if failure.reason != "UNKNOWN_COUNTRY":
            return Problem("plan", failure.reason, failure.message)
        message = "No plan has ever had this country; use its ISO code or English name"
        return Problem("country", failure.reason, message)
    return Problem(
        "plan", "PLAN_NOT_FOUND", "No plan on sale has this country, gb and days; list the plans"
    )


async def _matching(peers: Peers, criteria: Criteria, *, single: bool) -> Sequence[pb.DataPlan]:
    filter_ = pb.PlanFilter(
        country=criteria.country, duration_days=criteria.days, single_country=single
    )
    if criteria.data_mb is None:
        filter_.unlimited = True
    else:
        filter_.unlimited = False
        filter_.min_data_mb = criteria.data_mb
    request = pb.ListPlansRequest(filter=filter_, page_size=PAGE, without_total=True)
    found: list[pb.DataPlan] = []
    while True:
        response = await rpc_client.call(
            peers.catalogue.ListPlans, request, token=None, timeout=READ_TIMEOUT
        )
        found += [
            plan
            for plan in response.plans
            if criteria.data_mb is None or plan.data_mb == criteria.data_mb
        ]
        if not response.next_page_token or len(found) > NAMED:
            return found
        request.page_token = response.next_page_token


def _ambiguous(plans: Sequence[pb.DataPlan]) -> Problem:
    names = ", ".join(plan.name for plan in plans[:NAMED])
    more = ", and more" if len(plans) > NAMED else ""
    return Problem(
        "plan",
        "PLAN_AMBIGUOUS",
        f"Several plans have this country, gb and days: {names}{more}. Write one of these names"
        " into the column plan",
    )
