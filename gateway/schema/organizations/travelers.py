"""The eSIMs of an organization, its travelers, and mutations that give eSIMs to them."""

from dataclasses import replace
from typing import Annotated

import strawberry

from gateway.execution.auth import auth_field
from gateway.execution.views import views
from gateway.schema import inputs, results
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    ESIMConnection,
    FirstArgument,
    esim_page,
    page_of,
    page_size,
)
from gateway.schema.esims.operations import ESIMIdArgument, ESIMResult, change_esim
from gateway.schema.esims.travelers import Traveler, TravelerInput
from gateway.schema.esims.types import ESIMStatus
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from kit.errors import Failure
from protos.esims.v1 import esims_pb2, travelers_pb2

GroupArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only eSIMs of this group. Omit for all.")
]
TravelerArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only eSIMs of this traveler. Omit for all."),
]
StatusesArgument = Annotated[
    list[ESIMStatus] | None,
    strawberry.argument(description="Only eSIMs with one of these statuses. Omit for all."),
]
OwnerArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The organization's id. Omit for the travelers of the caller's own eSIMs."
    ),
]
TravelerInputArgument = Annotated[
    TravelerInput, strawberry.argument(description="The person who travels with the eSIM.")
]


@strawberry.type(description="A page of travelers.")
class TravelerPage:
    nodes: list[Traveler] = strawberry.field(description="The travelers of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type
class TravelerQueries:
    """Mixed into Query."""

    @auth_field(
        name="organizationESIMs",
        description="eSIMs of an organization, newest first, as a paginated connection: all for its owners"
        " and managers, for its buyers those that they bought, and for each member those that they travel"
        " with. Fails with NOT_FOUND for an organization of which the caller is no member.",
    )
    async def organization_esims(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        group_id: GroupArgument = None,
        traveler_id: TravelerArgument = None,
        statuses: StatusesArgument = None,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> ESIMConnection | None:
        wanted = esims_pb2.ESIMFilter(
            organization_id=organization_id,
            group_id=group_id,
            traveler_id=traveler_id,
            statuses=[
                esims_pb2.ESIMStatus.Value(f"ESIM_STATUS_{status.name}")
                for status in statuses or ()
            ],
        )
        try:
            return await esim_page(info, wanted, first, after)
        except Failure as failure:
            fields = {path.removeprefix("filter."): text for path, text in failure.fields.items()}
            raise replace(failure, fields=fields) from failure

    @auth_field(
        description="Travelers that an organization has named, newest first, for its owners and managers; or"
        " those of the caller's own eSIMs."
    )
    async def travelers(
        self,
        info: Info,
        organization_id: OwnerArgument = None,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> TravelerPage | None:
        request = travelers_pb2.ListTravelersRequest(
            organization_id=inputs.optional_id(
                "organizationId", organization_id, "for the travelers of your own eSIMs"
            ),
            page_size=page_size(first),
            page_token=after or "",
        )
        page = await page_of(info.context.call(info.context.peers.travelers.ListTravelers, request))
        info.context.spend(len(page.travelers))
        return TravelerPage(
            nodes=views(Traveler, page.travelers), next_cursor=page.next_page_token or None
        )


@strawberry.type
class TravelerMutations:
    """Mixed into Mutation."""

    @auth_field(
        name="assignESIM",
        description="Names the person who travels with an eSIM. Replaces an earlier traveler, and revokes the"
        " share links that were made for them. For the buyer of the eSIM, and for the owners and managers of"
        " its organization. Safe to repeat.",
    )
    @results.refusable(ESIMResult)
    async def assign_esim(
        self, info: Info, esim_id: ESIMIdArgument, traveler: TravelerInputArgument
    ) -> ESIMResult | None:
        request = travelers_pb2.AssignESIMRequest(esim_id=esim_id, traveler=traveler.to_proto())
        return await change_esim(info, info.context.peers.travelers.AssignESIM, request)

    @auth_field(
        name="unassignESIM",
        description="Takes an eSIM from its traveler, and revokes its share links. For the same people as"
        " `assignESIM`. Safe to repeat.",
    )
    async def unassign_esim(self, info: Info, esim_id: ESIMIdArgument) -> ESIMResult | None:
        request = travelers_pb2.UnassignESIMRequest(esim_id=esim_id)
        return await change_esim(info, info.context.peers.travelers.UnassignESIM, request)
