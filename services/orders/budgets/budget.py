"""Budgets of organizations, and what a purchase takes from them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from kit.errors import Failure, Kind
from kit.values import money


class Scope(StrEnum):
    """Whose purchases a budget limits."""

    ORGANIZATION = "ORGANIZATION"
    GROUP = "GROUP"
    MEMBER = "MEMBER"


class Period(StrEnum):
    """Calendar period of a budget in the time zone of its organization; NONE: one amount for all time."""

    NONE = "NONE"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


@dataclass(frozen=True, slots=True)
class BudgetTarget:
    """Which budget it is: an organization has at most one for each group or member and period."""

    organization_id: UUID
    scope: Scope
    group_id: UUID | None
    user_id: UUID | None
    period: Period


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget with its present period; amounts in `currency`, that of the organization.

    `amount` is None without a limit. `starts_on` and `ends_on`, the first day of the next period, are None
    for a budget without periods.
    """

    id: UUID
    target: BudgetTarget
    amount: Decimal | None
    warn_percent: int | None
    currency: str
    starts_on: date | None
    ends_on: date | None
    spent: Decimal
    reserved: Decimal
    warned: bool

    @property
    def left(self) -> Decimal | None:
        """What can still be spent in the period; None without a limit."""
        if self.amount is None:
            return None
        return max(self.amount - self.spent - self.reserved, Decimal(0))


WHOSE = {
    Scope.ORGANIZATION: "The organization's budget",
    Scope.GROUP: "The budget of this group",
    Scope.MEMBER: "Your budget in this organization",
}
WHEN = {
    Period.NONE: "",
    Period.MONTH: " for this month",
    Period.QUARTER: " for this quarter",
    Period.YEAR: " for this year",
}


def exceeded(budget: Budget, wanted: Decimal) -> Failure:
    """Return the refusal of a purchase that a budget has too little left for."""
    left = budget.left or Decimal(0)
    target = budget.target
    return Failure(
        Kind.REFUSED,
        "BUDGET_EXCEEDED",
        f"{WHOSE[target.scope]}{WHEN[target.period]} has {money.plain(left):f} {budget.currency} left, and"
        f" this takes {money.plain(wanted):f}, so nothing was bought: order less, or ask an owner or manager"
        " to raise it",
        details={
            "budget_id": str(budget.id),
            "scope": target.scope,
            "left": f"{money.plain(left):f}",
            "currency": budget.currency,
        },
    )


def not_found() -> Failure:
    """Return the failure for a budget that is unknown, ended, or another organization's."""
    return Failure(
        Kind.NOT_FOUND, "BUDGET_NOT_FOUND", "No budget has this id; list the organization's budgets"
    )
