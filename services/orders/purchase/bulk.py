"""What differs for an order of a batch: it waits for its turn, and for the shop's balance."""

from datetime import timedelta

from kit.db.database import Connection
from services.orders import status_reasons
from services.orders.order import OrderStatus, RecoveryPoint
from services.orders.purchase.prices import BALANCE_PAUSE
from services.orders.purchase.turn import BatchTurn
from services.orders.status_reasons import FailureReason
from services.orders.work import Pause, Work

# No customer waits for an order of a batch, so it is given up much later than other orders.
CLAIM_LIFETIME = timedelta(days=1)
# An order is given up after this many calls whose answer was unclear, and which turned out to have bought
# nothing.
MAX_UNCLEAR = 10
# Another order took the turn after this one had found it free.
NOT_YET = Pause(0.5)


async def wait(work: Work, turn: BatchTurn) -> Pause | None:
    """Return a pause while it is not the turn of an order of a batch; fail it if the batch was cancelled."""
    planned = work.order.batch_order_id
    if planned is None:
        return None
    found = await turn.peek(planned)
    if found.cancelled:
        await work.step(
            "batch cancelled",
            status=OrderStatus.FAILED,
            reason=status_reasons.MESSAGE_CANCELLED_UNPAID,
            failure=FailureReason.CANCELLED_BY_CUSTOMER,
        )
        return None
    return Pause(found.seconds) if found.seconds else None


async def wait_for_balance(work: Work, connection: Connection, detail: str) -> Pause:
    """Keep an order that the provider refused for the shop's balance: it is placed once that suffices."""
    await work.step(
        "waits for the balance at the provider",
        point=RecoveryPoint.CLAIMED,
        reason=status_reasons.MESSAGE_BALANCE,
        detail=detail,
        connection=connection,
    )
    return Pause(BALANCE_PAUSE)
