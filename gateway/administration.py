"""What administrators may do: list everybody's orders, hide plans, and choose the featured ones."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.auth import admin_field
from gateway.connections import USUAL, AfterArgument, FirstArgument, OrderConnection, order_page
from gateway.context import Info
from gateway.errors import refusal
from gateway.orders import OrderStatus, matching
from gateway.plan_queries import PlanIdArgument
from gateway.plans import DataPlan
from gateway.views import views
from kit.errors import Failure
from protos.catalogue.v1 import catalogue_pb2


@strawberry.input(description="Conditions that all must hold; an absent one holds for every order.")
class AllOrdersFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only orders of this account."
    )
    status: OrderStatus | None = strawberry.field(default=None, description="Only in this status.")
    from_date: datetime | None = strawberry.field(
        default=None,
        description="Recorded at this time or later. A time without a zone is UTC, a date its start.",
    )
    to_date: datetime | None = strawberry.field(
        default=None,
        description="Recorded before this time. A time without a zone is UTC, a date its start.",
    )


@strawberry.type(description="The outcome of hiding a plan or showing it again.")
class SetPlanHiddenResult:
    success: bool = strawberry.field(description="True if the plan is as requested.")
    plan: DataPlan | None = strawberry.field(description="The plan; null when refused.")
    error: str | None = strawberry.field(description="Why it was refused.")
    code: str | None = strawberry.field(
        description="Why it was refused, for programs, such as PLAN_NOT_FOUND."
    )


@strawberry.type(description="The outcome of choosing featured plans.")
class SetFeaturedPlansResult:
    success: bool = strawberry.field(description="True if the plans are featured.")
    plans: list[DataPlan] = strawberry.field(
        description="The chosen plans in their order; empty when refused."
    )
    error: str | None = strawberry.field(description="Why it was refused.")
    code: str | None = strawberry.field(
        description="Why it was refused, for programs, such as PLAN_NOT_FOUND."
    )


FilterArgument = Annotated[
    AllOrdersFilter | None, strawberry.argument(description="Which orders; omit for all.")
]
HiddenArgument = Annotated[
    bool, strawberry.argument(description="True takes the plan off sale, false puts it back.")
]
PlanIdsArgument = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description="Ids of at most 50 plans, in the order to show them; an empty list returns to the"
        " automatic choice."
    ),
]


@strawberry.type
class AdministrationQueries:
    """Mixed into Query."""

    @admin_field(description="The orders of all customers, newest first, page by page.")
    async def all_orders(
        self,
        info: Info,
        first: FirstArgument = USUAL,
        after: AfterArgument = None,
        filter: FilterArgument = None,  # noqa: A002 - as in orders
    ) -> OrderConnection | None:
        wanted = filter or AllOrdersFilter()
        asked = matching(
            wanted.status, wanted.from_date, wanted.to_date, customer_id=wanted.customer_id
        )
        return await order_page(info, asked, first, after)


@strawberry.type
class AdministrationMutations:
    """Mixed into Mutation."""

    @admin_field(
        description="Takes a plan off sale, whatever the provider offers, or puts it back. May be"
        " repeated."
    )
    async def set_plan_hidden(
        self, info: Info, plan_id: PlanIdArgument, hidden: HiddenArgument
    ) -> SetPlanHiddenResult | None:
        request = catalogue_pb2.SetPlanHiddenRequest(plan_id=plan_id, hidden=hidden)
        try:
            answer = await info.context.change(info.context.peers.catalogue.SetPlanHidden, request)
        except Failure as failure:
            words, code = refusal(failure)
            return SetPlanHiddenResult(success=False, plan=None, error=words, code=code)
        return SetPlanHiddenResult(
            success=True, plan=DataPlan.of(answer.plan), error=None, code=None
        )

    @admin_field(
        description="Replaces the featured plans, which `featuredPlans` returns in this order."
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
            words, code = refusal(failure)
            return SetFeaturedPlansResult(success=False, plans=[], error=words, code=code)
        info.context.spend(len(answer.plans))
        return SetFeaturedPlansResult(
            success=True, plans=views(DataPlan, answer.plans), error=None, code=None
        )
