"""Checks that a customer may buy for an organization, in the transaction that claims the order."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders.order import OrderRequest
from services.orders.organizations import membership
from services.orders.organizations.membership import BUYING, MANAGING, Billing, Membership

NOT_PAYABLE = "BATCH_NOT_PAYABLE"
MESSAGE_NOT_PAYABLE = (
    "Nothing was bought: this organization pays by card, and a card needs its holder at each order. Ask the"
    " shop to change its billing, or buy one by one"
)

GROUP = """
select archived_at is not null as archived from orders.groups where id = $1 and organization_id = $2
"""


async def buyer(
    connection: Connection, request: OrderRequest, *, lock: bool = False
) -> Membership | None:
    """Return for which organization, and as which member, a customer buys; None for themself.

    A batch goes on for its organization after the member who created it was removed. Raises Failure NOT_FOUND
    (ORGANIZATION_NOT_FOUND), and REFUSED (BATCH_NOT_PAYABLE) if the organization pays by card since the batch
    was created. With `lock`, a removal of the member waits for the transaction, or is seen.
    """
    if request.organization_id is None:
        return None
    if request.reservation is not None:
        found = await membership.of_batch(connection, request.organization_id, request.customer_id)
        if found.billing is Billing.CARD:
            raise Failure(Kind.REFUSED, NOT_PAYABLE, MESSAGE_NOT_PAYABLE)
        return found
    return await membership.find(
        connection, request.organization_id, request.customer_id, lock=lock
    )


def in_currency(request: OrderRequest, member: Membership | None) -> OrderRequest:
    """Return the request in the currency of the organization.

    Raises Failure REFUSED (ORGANIZATION_CURRENCY) for another currency.
    """
    if member is None or request.currency == member.currency:
        return request
    if request.currency:
        raise Failure(
            Kind.REFUSED,
            "ORGANIZATION_CURRENCY",
            f"This organization buys in {member.currency}, and this order is in {request.currency}, so"
            " nothing was bought: leave the currency out",
            details={"currency": member.currency},
        )
    return replace(request, currency=member.currency)


@contextmanager
def priced(member: Membership | None) -> Iterator[None]:
    """Read plans in the currency of the organization inside this block.

    Raises Failure REFUSED (ORGANIZATION_WITHOUT_PRICES) instead of the catalogue's UNKNOWN_CURRENCY, which
    asks for another currency: an organization can't use one.
    """
    try:
        yield
    except Failure as failure:
        if member is None or failure.reason != "UNKNOWN_CURRENCY":
            raise
        raise Failure(
            Kind.REFUSED,
            "ORGANIZATION_WITHOUT_PRICES",
            f"The shop has no prices in {member.currency}, in which this organization buys, so nothing was"
            f" bought. Ask the shop to add a price list in {member.currency}, or to create the organization"
            " in another currency",
            details={"currency": member.currency},
        ) from failure


async def check(connection: Connection, member: Membership, group_id: UUID | None) -> None:
    """Raise Failure unless a member may buy now, for the group if there is one.

    FORBIDDEN: MEMBER_ROLE_INSUFFICIENT, NOT_IN_GROUP. REFUSED (ORGANIZATION_SUSPENDED, GROUP_ARCHIVED).
    NOT_FOUND (GROUP_NOT_FOUND).
    """
    member.require(BUYING)
    member.require_active()
    if group_id is None:
        return
    archived = await connection.fetchval(GROUP, group_id, member.organization_id)
    if archived is None:
        raise Failure(
            Kind.NOT_FOUND,
            "GROUP_NOT_FOUND",
            "This organization has no group with this id; list its groups",
        )
    if member.role not in MANAGING and group_id not in member.groups:
        raise Failure(
            Kind.FORBIDDEN,
            "NOT_IN_GROUP",
            "You are not a member of this group, so you can't buy for it; ask an owner or manager",
        )
    if archived:
        raise Failure(
            Kind.REFUSED,
            "GROUP_ARCHIVED",
            "This group is archived, so nothing was bought; choose another group, or none",
        )
