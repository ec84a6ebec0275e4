"""The plans for operators: lists, and which plans are hidden or featured."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cli.config.access import Access
from cli.operators import output
from kit.errors import Failure
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceStub

# Seconds; each of these calls takes milliseconds.
TIMEOUT = 30
PAGE = 1_000
TITLES = ("id", "name", "price", "days", "data", "state", "region")


class PlansError(Exception):
    """The service did not do it; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plans: those on sale, unless `everything`; only hidden or only featured ones where set."""

    country: str | None = None
    region: str | None = None
    text: str | None = None
    everything: bool = False
    hidden: bool = False
    featured: bool = False


class Plans:
    """The calls; each raises PlansError and gives lines of text, or a JSON document."""

    def __init__(self, stub: Any, token: str, address: str, *, as_json: bool) -> None:
        self._stub = stub
        self._token = token
        self._address = address
        self._as_json = as_json

    async def list_plans(self, wanted: Wanted, most: int) -> list[str]:
        """At most `most` plans by name, or the featured ones in their order."""
        if wanted.featured:
            request = pb.ListFeaturedPlansRequest(page_size=min(most, 50))
            plans = list((await self._call(self._stub.ListFeaturedPlans, request)).plans)
        else:
            plans = await self._matching(wanted, most)
        if self._as_json:
            return output.document(plans)
        return output.table(TITLES, map(_row, plans), "no such plan")

    async def _matching(self, wanted: Wanted, most: int) -> list[pb.DataPlan]:
        request = pb.ListPlansRequest(
            filter=pb.PlanFilter(
                country=wanted.country,
                region=wanted.region,
                text=wanted.text,
                include_unavailable=wanted.everything or wanted.hidden,
            ),
            # Hidden plans are few among all: larger pages find them in fewer calls.
            page_size=PAGE if wanted.hidden else min(most, PAGE),
            without_total=True,
        )
        found: list[pb.DataPlan] = []
        while True:
            answer = await self._call(self._stub.ListPlans, request)
            found += [plan for plan in answer.plans if plan.hidden or not wanted.hidden]
            request.page_token = answer.next_page_token
            if len(found) >= most or not answer.next_page_token:
                return found[:most]

    async def show(self, plan: str) -> list[str]:
        """All that is known of one plan."""
        found = await self._find(plan)
        if self._as_json:
            return output.document(found)
        countries = ", ".join(f"{c.name} ({c.iso})" for c in found.countries)
        facts = [
            ("id", found.id),
            ("name", found.name),
            ("description", found.description),
            ("state", _state(found)),
            ("price", output.amount(found.price)),
            ("duration", f"{found.duration_days} days"),
            ("data", _data(found)),
            ("region", found.region),
            ("countries", countries),
            ("group", found.bundle_group),
            ("profile", found.profile_name),
            ("starts", "when assigned" if found.autostart else "at first use"),
            ("speeds", ", ".join(found.speeds)),
            ("changed", output.moment(found, "updated_at")),
        ]
        return [f"{name:<12} {value}" for name, value in facts if value]

    async def set_hidden(self, plan: str, *, hidden: bool) -> list[str]:
        """Takes a plan off sale, or puts it back; may be repeated."""
        found = await self._find(plan)
        request = pb.SetPlanHiddenRequest(plan_id=found.id, hidden=hidden)
        changed = (await self._call(self._stub.SetPlanHidden, request)).plan
        if self._as_json:
            return output.document(changed)
        return [f"{changed.name} is {_state(changed)}"]

    async def feature(self, plans: Sequence[str]) -> list[str]:
        """Replaces the choice of featured plans; none returns to the automatic choice."""
        ids = [(await self._find(plan)).id for plan in plans]
        request = pb.SetFeaturedPlansRequest(plan_ids=ids)
        chosen = list((await self._call(self._stub.SetFeaturedPlans, request)).plans)
        if self._as_json:
            return output.document(chosen)
        return output.table(TITLES, map(_row, chosen), "featured plans are chosen automatically")

    async def _find(self, plan: str) -> pb.DataPlan:
        request = pb.GetPlanRequest(id=plan) if _is_id(plan) else pb.GetPlanRequest(name=plan)
        found: pb.DataPlan = (await self._call(self._stub.GetPlan, request)).plan
        return found

    async def _call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        try:
            return await rpc_client.call(method, request, token=self._token, timeout=TIMEOUT)
        except Failure as failure:
            if failure.kind == "unavailable":
                raise PlansError(
                    f"the catalogue service at {self._address} is unavailable ({failure}):"
                    " start it first"
                ) from failure
            raise PlansError(str(failure)) from failure


@asynccontextmanager
async def plans(access: Access, token: str | None, *, as_json: bool) -> AsyncIterator[Plans]:
    """The calls with an administrator's session, or else with the service role key."""
    address = access.addresses["catalogue"]
    async with rpc_client.channel(address, access.tls) as channel:
        yield Plans(CatalogueServiceStub(channel), token or access.key, address, as_json=as_json)


def _is_id(plan: str) -> bool:
    """True if it names a plan by id, false if by its bundle name."""
    try:
        UUID(plan)
    except ValueError:
        return False
    return True


def _row(plan: pb.DataPlan) -> tuple[str, ...]:
    return (
        plan.id,
        plan.name,
        output.amount(plan.price),
        str(plan.duration_days),
        _data(plan),
        _state(plan),
        plan.region,
    )


def _data(plan: pb.DataPlan) -> str:
    return f"{plan.data_mb} MB" if plan.HasField("data_mb") else "unlimited"


def _state(plan: pb.DataPlan) -> str:
    if plan.hidden:
        return "hidden"
    return "withdrawn by the provider" if plan.withdrawn else "on sale"
