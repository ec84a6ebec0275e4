"""Records the eSIMs that an order delivered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.values.clock import Clock
from services.esims import delivery_store, store
from services.esims.delivery_store import Delivery
from services.esims.esim import ESIM, Traveler, needs_following
from services.esims.snapshots import follow_store, record
from services.esims.travelers import traveler_store
from services.esims.travelers.traveler_store import Owner


class Registration:
    """Records deliveries; `registered` is called to wake the background work for new eSIMs that need any."""

    def __init__(self, database: Database, clock: Clock, registered: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._registered = registered

    async def register(
        self,
        delivery: Delivery,
        esims: Sequence[tuple[str, str, str]],
        travelers: Mapping[str, Traveler] = MappingProxyType({}),
    ) -> list[ESIM]:
        """Add each eSIM by ICCID, matching id and SM-DP+ address; repeatable.

        `travelers` are by ICCID. An eSIM that is registered already keeps the traveler it has.

        Raises Failure CONFLICT, and changes nothing, when one of the ICCIDs belongs to another
        customer (ICCID_OF_ANOTHER_CUSTOMER) or to another order (ICCID_OF_ANOTHER_ORDER).
        """
        now = self._clock.wall()
        async with self._database.system() as connection:
            # Nearly always all are new, so they have no bundles, and their status is that of the insert.
            new = saved = await delivery_store.insert_new(connection, delivery, esims, now)
            if len(saved) < len(esims):
                saved = await self._register_again(connection, delivery, esims, now)
            of_new = {esim.id: travelers[esim.iccid] for esim in new if esim.iccid in travelers}
            if of_new:
                owner = Owner(delivery.organization_id, delivery.customer_id)
                await traveler_store.assign(connection, owner, of_new)
                saved = await _again(connection, saved)
        if delivery.customer_ref or any(map(needs_following, saved)):
            self._registered()
        return saved

    async def _register_again(
        self,
        connection: Connection,
        delivery: Delivery,
        esims: Sequence[tuple[str, str, str]],
        now: datetime,
    ) -> list[ESIM]:
        iccids = [iccid for iccid, _, _ in esims]
        await store.lock_iccids(connection, iccids)
        saved = await delivery_store.insert_delivered(connection, delivery, esims, now)
        if len(saved) < len(esims):
            _refuse(delivery, await store.lock_iccids(connection, iccids))
        return await record.save_with_status(connection, saved, now)

    async def top_up(self, delivery: Delivery, iccids: Sequence[str]) -> list[ESIM]:
        """Record that an order put its bundle on eSIMs that are registered already; repeatable.

        Each eSIM stays linked to the order that delivered it, and its bundles are fetched again. Raises
        Failure CONFLICT if one is another customer's (ICCID_OF_ANOTHER_CUSTOMER) or not registered
        (ICCID_UNKNOWN).
        """
        now = self._clock.wall()
        async with self._database.system() as connection:
            known = await store.lock_iccids(connection, iccids)
            if any(_is_foreign(esim, delivery) for esim in known):
                _refuse(delivery, known)
            if len(known) < len(iccids):
                raise Failure(
                    Kind.CONFLICT,
                    "ICCID_UNKNOWN",
                    "An ICCID of this top-up is not registered here; nothing was changed",
                )
            await follow_store.follow_soon(connection, [esim.id for esim in known], now)
            applied = [
                replace(e, last_action="Bundle Applied", action_date=now, bundles_read_at=None)
                for e in known
            ]
            saved = await record.save_with_status(connection, applied, now)
        self._registered()
        return saved


async def _again(connection: Connection, esims: Sequence[ESIM]) -> list[ESIM]:
    """Return the eSIMs as they are now, in the same order."""
    now = {esim.id: esim for esim in await store.get_many(connection, [esim.id for esim in esims])}
    return [now[esim.id] for esim in esims]


def _is_foreign(esim: ESIM, delivery: Delivery) -> bool:
    """True if another organization or, without one, another customer has the eSIM."""
    if esim.organization_id is not None or delivery.organization_id is not None:
        return esim.organization_id != delivery.organization_id
    return esim.customer_id != delivery.customer_id


def _refuse(delivery: Delivery, known: Sequence[ESIM]) -> None:
    foreign = any(_is_foreign(esim, delivery) for esim in known)
    raise Failure(
        Kind.CONFLICT,
        "ICCID_OF_ANOTHER_CUSTOMER" if foreign else "ICCID_OF_ANOTHER_ORDER",
        "An ICCID of this delivery is already registered for another "
        + ("customer" if foreign else "order")
        + "; nothing was changed",
    )
