"""Checks with the provider whether a plan could be bought now, without buying it."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.errors import Failure, Kind
from providers.esim_go.client import Priority
from services.orders.datasource import OrdersDataSource
from services.orders.peers import Catalogue


@dataclass(frozen=True, slots=True)
class Validation:
    """True in `valid` if the provider would accept the order, and the total price in units of `currency`."""

    valid: bool
    total: Decimal
    currency: str


async def validate_order(
    catalogue: Catalogue, datasource: OrdersDataSource, plan_id: UUID, quantity: int, token: str
) -> Validation:
    """Return the provider's answer; a plan that the provider refuses has the catalogue's price.

    Raises Failure as the catalogue does for the plan, and when the provider is unavailable.
    """
    plan = await catalogue.get_plan(plan_id, quantity, token)
    total = plan.price * quantity
    try:
        answer = await datasource.validate_order(plan.bundle_name, quantity, priority=Priority.READ)
    except Failure as failure:
        if failure.kind is not Kind.REFUSED:
            raise
        return Validation(False, total, plan.currency)
    if answer.total is None:
        return Validation(answer.valid, total, plan.currency)
    return Validation(answer.valid, answer.total, answer.currency or plan.currency)
