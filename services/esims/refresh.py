"""Cuts an eSIM's network session so that its device attaches again."""

from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.values.clock import Clock
from services.esims import find, store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.snapshots import record
from services.esims.snapshots.fetch import Fetcher


class Refresh:
    """Calls the provider once, and fetches the eSIM afterwards."""

    def __init__(
        self, database: Database, source: ESIMsDataSource, fetcher: Fetcher, clock: Clock
    ) -> None:
        self._database = database
        self._source = source
        self._fetcher = fetcher
        self._clock = clock

    async def refresh(self, session: Session, esim_id: UUID, time_left: float | None) -> ESIM:
        """Return the eSIM afterwards, as far as it could be fetched within `time_left` seconds.

        Raises Failure NOT_FOUND; REFUSED ESIM_NOT_REFRESHABLE; UNAVAILABLE or EXHAUSTED if the provider is.
        The session may have been cut then, and the call is not retried.
        """
        esim = await find.one(self._database, session, esim_id)
        try:
            await self._source.refresh_esim(esim.iccid)
        except Failure as failure:
            if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND):
                raise
            raise Failure(
                Kind.REFUSED,
                "ESIM_NOT_REFRESHABLE",
                "The provider does not allow refreshing this eSIM; it may be deactivated",
            ) from failure
        now = self._clock.wall()
        async with self._database.system() as connection:
            [locked] = await store.lock(connection, [esim_id])
            done = replace(locked, last_action="Refreshed", action_date=now)
            [saved] = await record.save_with_status(connection, [done], now)
        await self._fetcher.refresh([saved], time_left=time_left, force=True)
        return await find.one(self._database, session, esim_id)
