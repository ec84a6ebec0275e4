"""Cuts an eSIM's network session so that its device attaches anew."""

from dataclasses import replace
from uuid import UUID

from kit.auth import Session
from kit.clock import Clock
from kit.db import Database
from kit.errors import Failure, Kind
from services.esims import find, record, store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.freshen import Fetcher


class Refresh:
    """Asks the provider once, and reads the eSIM after it."""

    def __init__(
        self, database: Database, source: ESIMsDataSource, fetcher: Fetcher, clock: Clock
    ) -> None:
        self._database = database
        self._source = source
        self._fetcher = fetcher
        self._clock = clock

    async def refresh(self, session: Session, esim_id: UUID, time_left: float | None) -> ESIM:
        """The eSIM as it is after it, as far as it could be read within `time_left` seconds.

        Raises Failure NOT_FOUND; REFUSED ESIM_NOT_REFRESHABLE; UNAVAILABLE or EXHAUSTED as the
        provider is: it may have been done then, and is not done again by itself.
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
                "The provider does not let this eSIM be refreshed; it may be deactivated",
            ) from failure
        now = self._clock.wall()
        async with self._database.system() as connection:
            [locked] = await store.lock(connection, [esim_id])
            done = replace(locked, last_action="Refreshed", action_date=now)
            [kept] = await record.settle(connection, [done], now)
        await self._fetcher.refresh([kept], time_left=time_left, force=True)
        return await find.one(self._database, session, esim_id)
