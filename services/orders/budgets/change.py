"""Sets budgets: never below what the present period has taken already."""

from decimal import Decimal

from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.budgets import store
from services.orders.budgets.budget import Budget, BudgetTarget, not_found
from services.orders.budgets.requests import Limit

# Of one organization, as they are listed without pages. Calls at the same time may add a few more.
MAX_BUDGETS = 5_000

CURRENCY = "select currency from orders.organizations where id = $1"
GROUP = """
select true from orders.groups where id = $1 and organization_id = $2 and archived_at is null
"""
MEMBER = """
select true from orders.members where user_id = $1 and organization_id = $2 and until is null
"""


async def set_budget(
    connection: Connection, target: BudgetTarget, limit: Limit, actor: str
) -> Budget:
    """Create a budget, or change it; purchases that rely on it wait until the transaction ends.

    Raises Failure NOT_FOUND (GROUP_NOT_FOUND, MEMBER_NOT_FOUND) and REFUSED (BUDGET_BELOW_SPENT,
    TOO_MANY_BUDGETS).
    """
    await _check_target(connection, target)
    budget_id = await store.add(connection, target, limit, actor)
    if budget_id is None:
        budget_id = await store.lock(connection, target)
        if budget_id is None:  # it ended between the two statements
            return await set_budget(connection, target, limit, actor)
        # Read after the lock: no purchase takes more from it now.
        before = await store.get(connection, budget_id)
        if before is None:
            raise not_found()
        taken = before.spent + before.reserved
        # A budget that is over its amount anyway may be raised, even if not far enough.
        amount, old = limit.amount, before.amount
        if amount is not None and amount < taken and (old is None or amount < old):
            raise _below_spent(before, amount)
        await store.change(connection, budget_id, limit, actor)
    elif await store.count(connection, target.organization_id) > MAX_BUDGETS:
        raise _too_many()
    found = await store.get(connection, budget_id)
    if found is None:
        raise not_found()
    return found


async def currency(connection: Connection, target: BudgetTarget) -> str:
    """Return the currency of the organization, which exists."""
    return str(await connection.fetchval(CURRENCY, target.organization_id))


async def _check_target(connection: Connection, target: BudgetTarget) -> None:
    """Raise Failure NOT_FOUND unless the group or member is one of the organization."""
    if target.group_id is not None and not await connection.fetchval(
        GROUP, target.group_id, target.organization_id
    ):
        raise Failure(
            Kind.NOT_FOUND,
            "GROUP_NOT_FOUND",
            "This organization has no group with this id, or it is archived; list its groups",
        )
    if target.user_id is not None and not await connection.fetchval(
        MEMBER, target.user_id, target.organization_id
    ):
        raise Failure(
            Kind.NOT_FOUND,
            "MEMBER_NOT_FOUND",
            "This organization has no member with this id; list its members",
        )


def _too_many() -> Failure:
    return Failure(
        Kind.REFUSED,
        "TOO_MANY_BUDGETS",
        f"This organization has {MAX_BUDGETS} budgets, the maximum; delete some first, such as those of"
        " people who left",
    )


def _below_spent(budget: Budget, amount: Decimal) -> Failure:
    spent, reserved = (f"{money.plain(value):f}" for value in (budget.spent, budget.reserved))
    return Failure(
        Kind.REFUSED,
        "BUDGET_BELOW_SPENT",
        f"This period has taken {spent} {budget.currency} from the budget, and unfinished orders"
        f" {reserved}, so it can't be lowered to {money.plain(amount):f}; nothing was changed. Set at least"
        " what was taken, or delete the budget",
        details={"spent": spent, "reserved": reserved, "currency": budget.currency},
    )
