"""Checks the accounts that the rows of a batch name as their travelers."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from kit.db.database import Database
from services.orders.batches.batch import Problem, Row
from services.orders.batches.requests import INVALID
from services.orders.organizations import member_store

FIELD = "traveler.user_id"
NO_MEMBER = Problem(
    FIELD,
    "TRAVELER_NOT_MEMBER",
    "The account of this traveler is not a member of the organization; invite the person first, or omit it"
    " and create a share link",
)
PRIVATE = Problem(
    FIELD,
    INVALID,
    "The account of a traveler is only for eSIMs of an organization; omit it and create a share link instead",
)


async def faults(
    database: Database, organization_id: UUID | None, rows: Sequence[Row]
) -> Mapping[UUID, Problem]:
    """Return the fault of each account that can't travel with an eSIM of this batch.

    Who travels with an eSIM sees its activation code in their own account, so they must be a member of the
    organization that the batch is for.
    """
    accounts = {
        row.traveler.user_id
        for row in rows
        if row.traveler is not None and row.traveler.user_id is not None
    }
    if organization_id is None:
        return dict.fromkeys(accounts, PRIVATE)
    if not accounts:
        return {}
    async with database.system() as connection:
        members = await member_store.members_among(connection, organization_id, accounts)
    return dict.fromkeys(accounts - members, NO_MEMBER)
