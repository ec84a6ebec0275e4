"""Polls eSIMs at the provider until their bundle is active, and again when it ends."""

from datetime import datetime, timedelta
from uuid import UUID

from kit.db.database import Database
from kit.telemetry import tracing
from kit.values.clock import Clock
from services.esims import store
from services.esims.esim import ESIM, needs_following
from services.esims.snapshots import follow_store
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow_store import Due

# Longer than a fetch with its retries; after a crash the eSIM is polled again then.
LEASE = timedelta(seconds=60)
# eSIMs of one round: two requests each, and the platform has ten a second for everything.
BATCH = 5
# The pause doubles with each poll, as most bundles are set up within seconds.
FIRST_PAUSE = timedelta(seconds=5)
# Polling 10,000 unused bundles four times a day costs one request a second.
MAX_PAUSE = timedelta(hours=6)
# Most trips begin within three months of buying; afterwards only customers' requests refresh the status.
FOLLOWED_FOR = timedelta(days=90)
# An older eSIM is polled for a callback or a top-up. Without an answer, that many polls take three days.
MAX_UNANSWERED = 24


class Poller:
    """Polls eSIMs that are due; the due time is a column, so that it survives a restart."""

    def __init__(self, database: Database, fetcher: Fetcher, clock: Clock) -> None:
        self._database = database
        self._fetcher = fetcher
        self._clock = clock

    async def poll(self) -> int:
        """Fetch the eSIMs that are due, schedule their next polls, and return how many were due."""
        async with self._database.system() as connection:
            due = await follow_store.claim_follows(connection, self._clock.wall(), LEASE, BATCH)
        if not due:
            return 0
        with tracing.root_span("look at eSIMs", {"esimgo.esims": len(due)}):
            await self._fetch(due)
        return len(due)

    async def _fetch(self, due: list[Due]) -> None:
        await self._fetcher.refresh_all([item.esim for item in due])
        now = self._clock.wall()
        async with self._database.system() as connection:
            after: dict[UUID, ESIM] = {
                esim.id: esim
                for esim in await store.get_many(connection, [item.esim.id for item in due])
            }
            await follow_store.schedule_follows(
                connection, [(item, next_poll(after[item.esim.id], item, now)) for item in due], now
            )


def next_poll(esim: ESIM, due: Due, now: datetime) -> datetime | None:
    """Return the time of the next poll of an eSIM; None if it need not be polled before a bundle ends."""
    # A poll without both answers is repeated. An answer to an earlier query, such as another replica's,
    # does not count, as it may miss the change that this poll is for.
    claimed_at = due.until - LEASE
    answered = all(
        at is not None and at >= claimed_at for at in (esim.state_read_at, esim.bundles_read_at)
    )
    if answered and not needs_following(esim):
        return None
    pause = min(FIRST_PAUSE * 2 ** min(due.count - 1, 20), MAX_PAUSE)
    at = now + pause
    young = at - esim.created_at < FOLLOWED_FOR
    return at if young or (not answered and due.count < MAX_UNANSWERED) else None
