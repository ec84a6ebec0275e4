"""Issues the statements of months that are over, safely in several replicas at once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from kit.background import Loop
from kit.db import errors as db_errors
from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure, Kind
from services.orders.statements import issue_store
from services.orders.statements.carry import carry
from services.orders.statements.issue_store import Month
from services.orders.statements.metrics import StatementMetrics
from services.orders.statements.settings import StatementSettings

logger = logging.getLogger(__name__)

# Seconds between two searches for months that are over.
EVERY = 300.0
# What is committed within this time after the end of a month is on its statement, anything later on the
# next one.
PATIENCE = timedelta(minutes=5)
STEP = 50
# Reasons for which no other statement could be issued either.
AWAY = frozenset({db_errors.UNAVAILABLE, db_errors.READ_ONLY, db_errors.FULL, db_errors.OVERLOADED})
ACTOR = "statements"


class Statements:
    """Issues statements; `now` is the time by which months have to be over, by default the database's."""

    def __init__(
        self,
        database: Database,
        settings: StatementSettings,
        metrics: StatementMetrics,
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._now = now or database.now

    def loop(self, stop: asyncio.Event) -> Loop:
        return Loop("issue statements", self.round, stop, every=EVERY)

    async def round(self) -> bool:
        """Issue the statements that organizations wait for; True if there may be more.

        One that can't be issued does not keep the others waiting.
        """
        ended_by = self._now() - PATIENCE
        async with self._database.system() as connection:
            waiting = await issue_store.waiting(connection, ended_by, STEP)
        issued = False
        for month in waiting:
            try:
                issued |= await self.issue(month.organization_id, ended_by) is not None
            except Exception as error:
                if isinstance(error, Failure) and error.reason in AWAY:
                    raise
                logger.exception(
                    "the statement of organization %s is not issued yet", month.organization_id
                )
        async with self._database.system() as connection:
            self._metrics.survey(await issue_store.overdue(connection))
        return issued

    async def issue(self, organization_id: UUID, ended_by: datetime) -> UUID | None:
        """Issue an organization's next statement; None if another replica has, so that none is needed."""
        async with self._database.system() as connection:
            await issue_store.lock(connection, organization_id)
            month = await issue_store.next_month(connection, organization_id, ended_by)
            if month is None:
                return None
            return await self._issue(connection, month, ACTOR)

    async def close(self, organization_id: UUID, actor: str) -> UUID:
        """Issue the statement of the current month before its end; return it.

        What is bought afterwards in the same month is on the next month's statement. Raises Failure REFUSED
        (NOTHING_TO_BILL), also if the statement of this month was issued before.
        """
        async with self._database.system() as connection:
            await issue_store.lock(connection, organization_id)
            now, issued = self._now(), None
            # Earlier months first, if their statements are still to come.
            while month := await issue_store.next_month(connection, organization_id, now):
                earlier = await self._issue(connection, month, actor)
                if earlier is None:
                    break
                issued = earlier
            month = await issue_store.next_month(connection, organization_id, now, begun=True)
            if month is not None:
                month = replace(month, ends_at=now)
                issued = await self._issue(connection, month, actor) or issued
            if issued is None:
                raise _nothing(await issue_store.has_unbilled(connection, organization_id))
            return issued

    async def _issue(self, connection: Connection, month: Month, actor: str) -> UUID | None:
        issued = await issue_store.issue(connection, month, self._settings)
        if issued is None:
            return None  # by the database's clock, what is unbilled came later
        await carry(connection, issued, actor)
        after_commit(self._metrics.issued)
        logger.info("statement %s of organization %s is issued", issued, month.organization_id)
        return issued


def _nothing(later: bool) -> Failure:
    text = (
        "The statement of this month was issued already, and what was bought since then is on the next one"
        if later
        else "Everything that this organization has bought on account is on a statement already"
    )
    return Failure(Kind.REFUSED, "NOTHING_TO_BILL", text)
