"""Operations of `esimgo catalogue`: syncing the catalogue, listing plans, hiding and featuring them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.service import Service, connect
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceStub

# Seconds. The provider's pace allows ten pages a second; the whole catalogue is some dozens.
SYNC_TIMEOUT = 600
PAGE = 1_000
TITLES = ("id", "name", "price", "days", "data", "state", "region")


async def sync(access: Access) -> AsyncIterator[str]:
    """Sync the provider's catalogue, and yield a line for each progress and one for the result.

    Raises CommandError if the service does not answer or the sync failed.
    """
    async with connect(access, "catalogue", CatalogueServiceStub, timeout=SYNC_TIMEOUT) as service:
        printed = 0
        async for message in service.stream("SyncCatalogue", pb.SyncCatalogueRequest()):
            if message.done and message.status.error:
                raise CommandError(f"the plans were not changed: {message.status.error}")
            # The progress of a short refresh may arrive only with its last message.
            if message.read > printed:
                printed = message.read
                # The provider doesn't always report how many there are.
                of = f" of {message.expected}" if message.expected else ""
                yield f"read {message.read}{of} plans"
            if message.done:
                yield _result(message.status)


def _result(status: pb.SyncStatus) -> str:
    text = (
        f"{status.plan_count} plans: {status.added} new, {status.changed} changed,"
        f" {status.withdrawn} withdrawn"
    )
    if not status.skipped:
        return text
    return (
        f"{text}; {status.skipped} records could not be used, {status.withheld} plans withheld:"
        f" {'; '.join(status.problems)}"
    )


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans for operators. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_plans(
        self,
        limit: int,
        *,
        currency: str = "",
        country: str | None = None,
        region: str | None = None,
        text: str | None = None,
        everything: bool = False,
        hidden: bool = False,
        featured: bool = False,
    ) -> list[str]:
        """List plans on sale by name, or the featured ones in their order; by default in the first list."""
        if featured:
            request = pb.ListFeaturedPlansRequest(page_size=min(limit, 50), currency=currency)
            return self._table(
                await self.service.call("ListFeaturedPlans", request), "no such plan"
            )
        condition = pb.PlanFilter(
            country=country, region=region, text=text, include_unavailable=everything or hidden
        )
        # Hidden plans are few among all: larger pages find them in fewer calls.
        size = PAGE if hidden else min(limit, PAGE)
        pages = pb.ListPlansRequest(
            filter=condition, page_size=size, without_total=True, currency=currency
        )
        found = pb.ListPlansResponse()
        while True:
            page = await self.service.call("ListPlans", pages)
            found.plans.extend(plan for plan in page.plans if plan.hidden or not hidden)
            pages.page_token = page.next_page_token
            if len(found.plans) >= limit or not page.next_page_token:
                del found.plans[limit:]
                return self._table(found, "no such plan")

    async def show(self, plan: str, currency: str = "") -> list[str]:
        """Show every field of one plan, with its price in a currency or in the first list."""
        found = await self._find(plan, currency)
        if self.as_json:
            return output.document(found)
        facts = [
            ("id", found.id),
            ("name", found.name),
            ("title", found.title),
            ("description", found.description),
            ("highlights", "; ".join(found.highlights)),
            ("image", found.image_url),
            ("badges", "; ".join(found.badges)),
            ("state", _state(found)),
            ("price", output.amount(found.price)),
            ("tax", _tax(found)),
            ("duration", f"{found.duration_days} days"),
            ("data", _data(found)),
            ("region", found.region),
            ("countries", ", ".join(f"{c.name} ({c.iso})" for c in found.countries)),
            ("group", found.bundle_group),
            ("profile", found.profile_name),
            ("starts", "when assigned" if found.autostart else "at first use"),
            ("speeds", ", ".join(found.speeds)),
            ("changed", output.moment(found, "updated_at")),
        ]
        return [f"{name:<12} {value}" for name, value in facts if value]

    async def set_hidden(self, plan: str, *, hidden: bool) -> list[str]:
        """Take a plan off sale, or put it back. Idempotent."""
        request = pb.SetPlanHiddenRequest(plan_id=(await self._find(plan)).id, hidden=hidden)
        changed = (await self.service.call("SetPlanHidden", request)).plan
        if self.as_json:
            return output.document(changed)
        return [f"{changed.name} is {_state(changed)}"]

    async def set_texts(
        self, plan: str, locale: str, *, name: str, description: str, highlights: Sequence[str]
    ) -> list[str]:
        """Replace the texts of a plan in a language, and show what is now in use there. Idempotent."""
        request = pb.SetPlanTextsRequest(
            plan_id=(await self._find(plan)).id,
            locale=locale,
            name=name,
            description=description,
            highlights=highlights,
        )
        changed = (await self.service.call("SetPlanTexts", request)).plan
        if self.as_json:
            return output.document(changed)
        texts = [f"{changed.title}: {changed.description}", *changed.highlights]
        return [f"{changed.name} in {locale}:", *texts]

    async def set_display(self, plan: str, *, image: str, badges: Sequence[str]) -> list[str]:
        """Replace the image and the badges of a plan. Idempotent."""
        request = pb.SetPlanDisplayRequest(
            plan_id=(await self._find(plan)).id, image_url=image, badges=badges
        )
        changed = (await self.service.call("SetPlanDisplay", request)).plan
        if self.as_json:
            return output.document(changed)
        shown = [f"image {changed.image_url}"] if changed.image_url else ["no image"]
        shown.append(f"badges {', '.join(changed.badges)}" if changed.badges else "no badges")
        return [f"{changed.name}: {', '.join(shown)}"]

    async def feature(self, plans: Sequence[str]) -> list[str]:
        """Replace the featured plans; an empty list returns to the automatic choice."""
        request = pb.SetFeaturedPlansRequest(plan_ids=[(await self._find(p)).id for p in plans])
        chosen = await self.service.call("SetFeaturedPlans", request)
        return self._table(chosen, "featured plans are chosen automatically")

    async def _find(self, plan: str, currency: str = "") -> pb.DataPlan:
        try:
            request = pb.GetPlanRequest(id=str(UUID(plan)), currency=currency)
        except ValueError:
            request = pb.GetPlanRequest(name=plan, currency=currency)
        found: pb.DataPlan = (await self.service.call("GetPlan", request)).plan
        return found

    def _table(
        self,
        found: pb.ListPlansResponse | pb.ListFeaturedPlansResponse | pb.SetFeaturedPlansResponse,
        empty: str,
    ) -> list[str]:
        if self.as_json:
            return output.document(list(found.plans))
        return output.table(TITLES, map(_row, found.plans), empty)


@asynccontextmanager
async def open_plans(access: Access, token: str | None, *, as_json: bool) -> AsyncIterator[Plans]:
    """Connect with an administrator's token, or else with the service role key."""
    async with connect(access, "catalogue", CatalogueServiceStub, token=token, timeout=30) as found:
        yield Plans(found, as_json)


def _row(plan: pb.DataPlan) -> tuple[str, ...]:
    price, days = output.amount(plan.price), str(plan.duration_days)
    return (plan.id, plan.name, price, days, _data(plan), _state(plan), plan.region)


def _data(plan: pb.DataPlan) -> str:
    return f"{plan.data_mb} MB" if plan.HasField("data_mb") else "unlimited"


def _tax(plan: pb.DataPlan) -> str:
    if not plan.tax_rate:
        return ""
    return f"{plan.tax_rate} %, {'included' if plan.price_includes_tax else 'added to the price'}"


def _state(plan: pb.DataPlan) -> str:
    if plan.hidden:
        return "hidden"
    return "withdrawn by the provider" if plan.withdrawn else "on sale"
