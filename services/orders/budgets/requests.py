"""Checks requests to the budgets service; a Failure names every bad field of a request."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.errors import invalid
from kit.values import currencies, money
from kit.values.checks import Checks
from protos.common.v1 import money_pb2
from protos.orders.v1 import budgets_pb2 as pb
from services.orders.budgets.budget import BudgetTarget, Period, Scope

SCOPES = {
    pb.BUDGET_SCOPE_ORGANIZATION: Scope.ORGANIZATION,
    pb.BUDGET_SCOPE_GROUP: Scope.GROUP,
    pb.BUDGET_SCOPE_MEMBER: Scope.MEMBER,
}
PERIODS = {
    pb.BUDGET_PERIOD_NONE: Period.NONE,
    pb.BUDGET_PERIOD_MONTH: Period.MONTH,
    pb.BUDGET_PERIOD_QUARTER: Period.QUARTER,
    pb.BUDGET_PERIOD_YEAR: Period.YEAR,
}
# Above any budget.
MAX_AMOUNT = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Limit:
    """The amount of a budget, None without a limit, and at which share of it a warning is written."""

    amount: Decimal | None
    warn_percent: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A budget to set, and the currency of its amount; empty without one."""

    target: BudgetTarget
    limit: Limit
    currency: str


def set_budget(request: pb.SetBudgetRequest) -> Wanted:
    """Check a budget; raises Failure INVALID."""
    checks = Checks()
    scope, period = SCOPES.get(request.scope), PERIODS.get(request.period)
    if scope is None:
        checks.fail("scope", "must be ORGANIZATION, GROUP or MEMBER")
    if period is None:
        checks.fail("period", "must be NONE, MONTH, QUARTER or YEAR")
    target = BudgetTarget(
        checks.uuid("organization_id", request.organization_id),
        scope or Scope.ORGANIZATION,
        _named(checks, "group_id", request.group_id, wanted=scope is Scope.GROUP),
        _named(checks, "user_id", request.user_id, wanted=scope is Scope.MEMBER),
        period or Period.NONE,
    )
    amount = _amount(checks, request.amount) if request.HasField("amount") else None
    if request.warn_percent:
        checks.between("warn_percent", request.warn_percent, 1, 100)
    checks.done()
    return Wanted(
        target,
        Limit(amount, request.warn_percent or None),
        request.amount.currency_code if amount is not None else "",
    )


def check_currency(wanted: Wanted, currency: str) -> None:
    """Raise Failure INVALID unless the amount is in the currency of the organization."""
    if wanted.currency not in ("", currency):
        raise invalid({"amount": f"must be in {currency}, the currency of the organization"})


def _named(checks: Checks, field: str, text: str, *, wanted: bool) -> UUID | None:
    """Return an id that only one scope has."""
    if wanted:
        return checks.uuid(field, text)
    if text:
        checks.fail(field, "must be absent for this scope")
    return None


def _amount(checks: Checks, given: money_pb2.Money) -> Decimal:
    code = given.currency_code
    if not currencies.was_known(code):
        checks.fail("amount", "must have an ISO 4217 currency such as EUR")
        return Decimal(0)
    amount, digits = money.from_proto(given), currencies.digits(code)
    if not 0 <= amount < MAX_AMOUNT:
        checks.fail("amount", f"must be 0 or more and below {MAX_AMOUNT:f}")
    elif amount != round(amount, digits):
        checks.fail("amount", f"must have at most {digits} decimal places, as {code} has")
    return amount
