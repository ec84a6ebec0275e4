"""Operations for staff and administrators: list all orders, hide plans, and set the featured plans."""

from typing import Annotated

import strawberry

from gateway.execution.auth import admin_field, support_field
from gateway.execution.views import views
from gateway.schema import results
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    OrderConnection,
    order_page,
)
from gateway.schema.orders.orders import OrderFilter, matching
from gateway.schema.plans.queries import PlanIdArgument
from gateway.schema.plans.types import DataPlan
from gateway.upstream.context import Info
from kit.errors import Failure
from protos.catalogue.v1 import catalogue_pb2


@strawberry.input(description="Filter for orders. An order must match every condition that is set.")
class AllOrdersFilter(OrderFilter):
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only orders of this account."
    )


@strawberry.type(description="Result of `setPlanHidden`.")
class SetPlanHiddenResult:
    success: bool = strawberry.field(
        description="True if the plan is now hidden or visible as requested."
    )
    plan: DataPlan | None = strawberry.field(
        default=None, description="The plan; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("PLAN_NOT_FOUND")


@strawberry.type(description="Result of `setFeaturedPlans`.")
class SetFeaturedPlansResult:
    success: bool = strawberry.field(description="True if the featured plans were replaced.")
    plans: list[DataPlan] = strawberry.field(
        default_factory=list,
        description="The featured plans in display order; empty if the request was refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("PLAN_NOT_FOUND")


FilterArgument = Annotated[
    AllOrdersFilter | None,
    strawberry.argument(description="Filter for the orders to return. Omit to return all."),
]
HiddenArgument = Annotated[
    bool,
    strawberry.argument(description="True takes the plan off sale; false puts it back on sale."),
]
PlanIdsArgument = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description="Ids of at most 50 plans in display order. An empty list restores the"
        " automatic selection."
    ),
]


@strawberry.type
class AdministrationQueries:
    """Mixed into Query."""

    @support_field(description="Orders of all customers, newest first, as a paginated connection.")
    async def all_orders(
        self,
        info: Info,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: FilterArgument = None,
    ) -> OrderConnection | None:
        given = filter or AllOrdersFilter()
        request = matching(given, customer_id=given.customer_id)
        return await order_page(info, request, first, after)


@strawberry.type
class AdministrationMutations:
    """Mixed into Mutation."""

    @admin_field(
        description="Takes a plan off sale, even if the provider offers it, or puts it back on"
        " sale. Safe to repeat."
    )
    @results.refusable(SetPlanHiddenResult)
    async def set_plan_hidden(
        self, info: Info, plan_id: PlanIdArgument, hidden: HiddenArgument
    ) -> SetPlanHiddenResult | None:
        request = catalogue_pb2.SetPlanHiddenRequest(plan_id=plan_id, hidden=hidden)
        answer = await info.context.change(info.context.peers.catalogue.SetPlanHidden, request)
        return SetPlanHiddenResult(success=True, plan=DataPlan.of(answer.plan))

    @admin_field(
        description="Replaces the list of featured plans, which `featuredPlans` returns in this order."
    )
    async def set_featured_plans(
        self, info: Info, plan_ids: PlanIdsArgument
    ) -> SetFeaturedPlansResult | None:
        request = catalogue_pb2.SetFeaturedPlansRequest(plan_ids=plan_ids)
        try:
            answer = await info.context.change(
                info.context.peers.catalogue.SetFeaturedPlans, request
            )
        except Failure as failure:
            return results.refused(SetFeaturedPlansResult, failure)
        info.context.spend(len(answer.plans))
        return SetFeaturedPlansResult(success=True, plans=views(DataPlan, answer.plans))
