"""The orders of an organization, for its members."""

from typing import Annotated

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    OrderConnection,
    order_page,
)
from gateway.schema.orders import orders
from gateway.schema.orders.orders import OrderFilter
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.upstream.context import Info

GroupArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only orders for this group. Omit for all."),
]


@strawberry.type
class OrganizationOrderQueries:
    """Mixed into Query."""

    @auth_field(
        description="Orders of an organization, newest first, as a paginated connection: all for its owners"
        " and managers, and their own for its buyers. Fails with NOT_FOUND for an organization of which the"
        " caller is no member, and with FORBIDDEN for members with another role."
    )
    async def organization_orders(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        group_id: GroupArgument = None,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: orders.FilterArgument = None,
    ) -> OrderConnection | None:
        wanted = orders.matching(
            filter or OrderFilter(), organization_id=organization_id, group_id=group_id
        )
        with naming(**{"filter.organization_id": "organizationId", "filter.group_id": "groupId"}):
            return await order_page(info, wanted, first, after)
