"""Budgets of organizations: how much they, their groups and their members may spend."""

from enum import Enum
from typing import Annotated, Self

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.columns import computed, enum, exact_amount, text
from gateway.execution.views import View, read, views
from gateway.schema import inputs, results
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.upstream.context import Info
from kit.errors import invalid
from protos.common.v1 import money_pb2
from protos.orders.v1 import budgets_pb2

FIELDS = {
    "organization_id": "input.organizationId",
    "scope": "input.scope",
    "group_id": "input.groupId",
    "user_id": "input.userId",
    "period": "input.period",
    "amount": "input.amount",
    "warn_percent": "input.warnPercent",
}


@strawberry.enum(description="Whose purchases a budget limits.")
class BudgetScope(Enum):
    ORGANIZATION = strawberry.enum_value(
        "ORGANIZATION", description="All purchases of the organization."
    )
    GROUP = strawberry.enum_value("GROUP", description="Purchases for one group.")
    MEMBER = strawberry.enum_value("MEMBER", description="Purchases by one member or API key.")


@strawberry.enum(
    description="Period of a budget: a calendar period in the time zone of the organization."
)
class BudgetPeriod(Enum):
    NONE = strawberry.enum_value("NONE", description="No period: one amount for all time.")
    MONTH = strawberry.enum_value("MONTH", description="A month.")
    QUARTER = strawberry.enum_value(
        "QUARTER", description="A quarter, from January, April, July or October."
    )
    YEAR = strawberry.enum_value("YEAR", description="A year, from January.")


@strawberry.type(
    description="How much an organization, a group or a member may spend. All amounts are in the currency of"
    " the organization, and are those of the current period."
)
class Budget(View):
    id: strawberry.ID = read("id", description="A UUID.")
    organization_id: strawberry.ID = read(
        "organization_id", description="The organization that it belongs to."
    )
    scope: BudgetScope = read(
        enum("scope", BudgetScope, budgets_pb2.BudgetScope, "BUDGET_SCOPE_"),
        description="Whose purchases it limits.",
    )
    group_id: strawberry.ID | None = read(
        text("group_id"), description="The group; null for another scope."
    )
    user_id: strawberry.ID | None = read(
        text("user_id"), description="The member; null for another scope."
    )
    period: BudgetPeriod = read(
        enum("period", BudgetPeriod, budgets_pb2.BudgetPeriod, "BUDGET_PERIOD_"),
        description="Period after which it begins again.",
    )
    amount: str | None = read(
        exact_amount("amount", optional=True),
        description="The amount for each period as a decimal string; null if it counts purchases without a"
        " limit.",
    )
    warn_percent: int | None = read(
        computed(lambda row: row.warn_percent or None),
        description="Share of the amount in percent at which a warning event is written; null if never.",
    )
    spent: str = read(
        exact_amount("spent"),
        description="Totals of completed orders less refunds, as a decimal string. Negative if more was"
        " refunded in this period than spent.",
    )
    reserved: str = read(
        exact_amount("reserved"),
        description="Totals of unfinished orders, as a decimal string.",
    )
    left: str | None = read(
        exact_amount("left", optional=True),
        description="What can still be spent, as a decimal string; null without a limit.",
    )
    currency: str = read("spent.currency_code", description="ISO 4217 code of the amounts.")
    starts_on: str | None = read(
        text("starts_on"),
        description='First day of the present period, such as "2027-01-01"; null without periods.',
    )
    ends_on: str | None = read(
        text("ends_on"), description="First day of the next period; null without periods."
    )
    warned: bool = read(
        "warned", description="True if the share of `warnPercent` was reached in this period."
    )
    proto: strawberry.Private[budgets_pb2.Budget]


@strawberry.input(description="A budget to create or change.")
class BudgetInput:
    organization_id: strawberry.ID = strawberry.field(description="The organization.")
    scope: BudgetScope = strawberry.field(description="Whose purchases it limits.")
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="The group; required for the scope GROUP only."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="The member or API key; required for the scope MEMBER only."
    )
    period: BudgetPeriod = strawberry.field(
        description="Period after which it begins again. Budgets of several periods can apply at once."
    )
    amount: str | None = strawberry.field(
        default=None,
        description='Amount for each period as a decimal string, such as "500.00". Omit to count purchases'
        " without a limit.",
    )
    currency: str | None = strawberry.field(
        default=None,
        description="ISO 4217 code of the amount, which must be the currency of the organization. Required"
        " with an amount.",
    )
    warn_percent: int | None = strawberry.field(
        default=None,
        description="Share of the amount in percent, 1 to 100, at which a warning event is written, once in a"
        " period. Omit for no warning.",
    )


@strawberry.type(description="Result of `setBudget` and `deleteBudget`.")
class BudgetResult:
    success: bool = strawberry.field(description="True if the budget was set, or deleted.")
    budget: Budget | None = strawberry.field(
        default=None,
        description="The budget after the change, or before its deletion; null if the request was refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("BUDGET_BELOW_SPENT")

    @classmethod
    def of(cls, budget: budgets_pb2.Budget) -> Self:
        return cls(success=True, budget=Budget.of(budget))


InputArgument = Annotated[BudgetInput, strawberry.argument(description="The budget.")]
BudgetIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The budget's id.")]


@strawberry.type
class BudgetQueries:
    """Mixed into Query."""

    @auth_field(
        description="Budgets of an organization with their present period: all for its owners, managers and"
        " finance members; for buyers, those that apply to their own purchases."
    )
    async def budgets(
        self, info: Info, organization_id: OrganizationIdArgument
    ) -> list[Budget] | None:
        request = budgets_pb2.ListBudgetsRequest(organization_id=organization_id)
        with naming(organization_id="organizationId"):
            answer = await info.context.call(info.context.peers.budgets.ListBudgets, request)
        info.context.spend(len(answer.budgets))
        return views(Budget, answer.budgets)


@strawberry.type
class BudgetMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a budget, or changes the one of the same scope, group or member, and period. It"
        " counts purchases from its creation on. For owners and managers. Refused with BUDGET_BELOW_SPENT if"
        " the present period has taken more than the new amount."
    )
    @results.refusable(BudgetResult)
    async def set_budget(
        self,
        info: Info,
        input: InputArgument,
    ) -> BudgetResult | None:
        request = budgets_pb2.SetBudgetRequest(
            organization_id=input.organization_id,
            scope=budgets_pb2.BudgetScope.Value(f"BUDGET_SCOPE_{input.scope.name}"),
            group_id=inputs.optional_id(
                "input.groupId", input.group_id, "for other scopes than GROUP"
            ),
            user_id=inputs.optional_id(
                "input.userId", input.user_id, "for other scopes than MEMBER"
            ),
            period=budgets_pb2.BudgetPeriod.Value(f"BUDGET_PERIOD_{input.period.name}"),
            amount=_amount(input),
            warn_percent=_warn_percent(input),
        )
        with naming(**FIELDS):
            answer = await info.context.change(info.context.peers.budgets.SetBudget, request)
        return BudgetResult.of(answer.budget)

    @auth_field(
        description="Ends a budget: it limits no later purchase. For owners and managers. Fails with"
        " BUDGET_NOT_FOUND for one that has ended already."
    )
    @results.refusable(BudgetResult)
    async def delete_budget(
        self,
        info: Info,
        id: BudgetIdArgument,
    ) -> BudgetResult | None:
        request = budgets_pb2.DeleteBudgetRequest(budget_id=id)
        with naming(budget_id="id"):
            answer = await info.context.change(info.context.peers.budgets.DeleteBudget, request)
        return BudgetResult.of(answer.budget)


def _amount(given: BudgetInput) -> money_pb2.Money | None:
    if given.amount is None:
        return None
    if given.currency is None:
        raise invalid({"input.currency": "is required, because `amount` is set"})
    return inputs.amount("input.amount", given.amount, given.currency)


def _warn_percent(given: BudgetInput) -> int:
    """Return the share; 0, which means none to the service, is no valid input."""
    if given.warn_percent == 0:
        raise invalid(
            {"input.warnPercent": "must be an integer from 1 to 100; omit it for no warning"}
        )
    return given.warn_percent or 0
