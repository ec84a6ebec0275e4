"""Translates budgets into their protos."""

from kit.values import money
from protos.orders.v1 import budgets_pb2 as pb
from services.orders.budgets.budget import Budget
from services.orders.budgets.requests import PERIODS, SCOPES

SCOPE_VALUES = {scope: value for value, scope in SCOPES.items()}
PERIOD_VALUES = {period: value for value, period in PERIODS.items()}


def budget_to_proto(budget: Budget) -> pb.Budget:
    target, left = budget.target, budget.left
    return pb.Budget(
        id=str(budget.id),
        organization_id=str(target.organization_id),
        scope=SCOPE_VALUES[target.scope],
        group_id=str(target.group_id or ""),
        user_id=str(target.user_id or ""),
        period=PERIOD_VALUES[target.period],
        amount=None if budget.amount is None else money.to_proto(budget.amount, budget.currency),
        warn_percent=budget.warn_percent or 0,
        spent=money.to_proto(budget.spent, budget.currency),
        reserved=money.to_proto(budget.reserved, budget.currency),
        left=None if left is None else money.to_proto(left, budget.currency),
        starts_on=budget.starts_on.isoformat() if budget.starts_on else "",
        ends_on=budget.ends_on.isoformat() if budget.ends_on else "",
        warned=budget.warned,
    )
