"""Records the eSIMs that an order delivered."""

from collections.abc import Callable, Sequence

from kit.clock import Clock
from kit.db import Database
from kit.errors import Failure, Kind
from services.esims import record, store
from services.esims.esim import ESIM
from services.esims.store import Delivery


class Registration:
    """Takes deliveries in; `registered` is told when there is background work for them."""

    def __init__(self, database: Database, clock: Clock, registered: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._registered = registered

    async def register(
        self, delivery: Delivery, esims: Sequence[tuple[str, str, str]]
    ) -> list[ESIM]:
        """Adds ICCID, matching id and SM-DP+ address of each; repeatable.

        Raises Failure CONFLICT, and changes nothing, when one of the ICCIDs belongs to another
        customer (ICCID_OF_ANOTHER_CUSTOMER) or to another order (ICCID_OF_ANOTHER_ORDER).
        """
        now = self._clock.wall()
        async with self._database.system() as connection:
            iccids = [iccid for iccid, _, _ in esims]
            await store.lock_iccids(connection, iccids)
            kept = await store.insert_delivered(connection, delivery, esims, now)
            if len(kept) < len(esims):
                _refuse(delivery, await store.lock_iccids(connection, iccids))
            kept = await record.settle(connection, kept, now)
        self._registered()
        return kept


def _refuse(delivery: Delivery, known: Sequence[ESIM]) -> None:
    foreign = any(esim.customer_id != delivery.customer_id for esim in known)
    raise Failure(
        Kind.CONFLICT,
        "ICCID_OF_ANOTHER_CUSTOMER" if foreign else "ICCID_OF_ANOTHER_ORDER",
        "An ICCID of this delivery is registered for another "
        + ("customer" if foreign else "order")
        + "; nothing was changed",
    )
