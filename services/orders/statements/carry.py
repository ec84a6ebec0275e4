"""Carries what is left over of one statement to others of its organization."""

from uuid import UUID

from kit.db.database import Connection
from services.orders.statements import settle_store, store
from services.orders.statements.statement import SettlementKind


async def carry(connection: Connection, statement_id: UUID, actor: str) -> None:
    """Settle a statement and those of the opposite sign with each other, the oldest first.

    More may have been refunded in a month than bought, or credited than was left to pay. Both sides are
    recorded, so that they cancel each other out. The caller has locked the organization.
    """
    statement = await store.get(connection, statement_id)
    if statement is None or not statement.left:
        return
    left = statement.left
    for other in await settle_store.opposite(connection, statement):
        amount = min(abs(left), abs(other.left)).copy_sign(left)
        for one, share, counterpart in (
            (statement, amount, other),
            (other, -amount, statement),
        ):
            await settle_store.record(
                connection,
                one.id,
                SettlementKind.CARRIED,
                share,
                actor,
                other_id=counterpart.id,
            )
        left -= amount
        if not left:
            return
