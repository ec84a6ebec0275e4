"""Suspends eSIMs at the provider, and restores them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.values.clock import Clock
from providers.esim_go.client import Priority
from services.esims import find, store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM, ESIMStatus, ProviderState
from services.esims.provider_esim import Details
from services.esims.snapshots import follow_store, record
from services.esims.snapshots.fetch import Fetcher

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

SUSPENDABLE = (ESIMStatus.ASSIGNED, ESIMStatus.ACTIVE, ESIMStatus.SUSPENDED)
# Longer than a request and the fetch after it take, unless the process dies.
CONFIRM_AFTER = timedelta(seconds=60)


class Suspension:
    """Sets an eSIM's state at the provider, and fetches it if the outcome is unclear."""

    def __init__(
        self, database: Database, source: ESIMsDataSource, fetcher: Fetcher, clock: Clock
    ) -> None:
        self._database = database
        self._source = source
        self._fetcher = fetcher
        self._clock = clock

    async def suspend(self, session: Session, esim_id: UUID, time_left: float | None) -> ESIM:
        """Suspend an eSIM that may be suspended already, and return it.

        Raises Failure NOT_FOUND; REFUSED ESIM_NOT_SUSPENDABLE; UNAVAILABLE when the provider is, or when
        the outcome is unknown (SUSPENSION_UNCONFIRMED).
        """
        esim = await find.to_change(self._database, session, esim_id)
        if esim.status not in SUSPENDABLE:  # a bundle may have been added since
            await self._fetcher.refresh([esim], time_left=time_left)
            esim = await find.one(self._database, session, esim_id)
        if esim.status not in SUSPENDABLE:
            raise _not_suspendable(esim.status)
        return await self._set(esim, ProviderState.SUSPENDED)

    async def restore(self, session: Session, esim_id: UUID) -> ESIM:
        """Lift the suspension of an eSIM, if there is one, and return it.

        Raises Failure NOT_FOUND; REFUSED POLICY_SUSPENSION, or ESIM_NOT_SUSPENDABLE for a
        deactivated one; UNAVAILABLE as for `suspend`.
        """
        esim = await find.to_change(self._database, session, esim_id)
        if esim.provider_state is ProviderState.DEACTIVATED:
            raise _not_suspendable(esim.status)
        return await self._set(esim, ProviderState.ACTIVE)

    async def _set(self, esim: ESIM, target: ProviderState) -> ESIM:
        # Scheduled before the call: if this process dies in between, background work confirms the state.
        async with self._database.system() as connection:
            due = self._clock.wall() + CONFIRM_AFTER
            await follow_store.follow_soon(connection, [esim.id], due)
        try:
            if target is ProviderState.SUSPENDED:
                await self._source.suspend_esim(esim.iccid)
            else:
                await self._source.restore_esim(esim.iccid)
        except Failure as failure:
            if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND, Kind.UNCLEAR):
                raise
            return await self._settle(esim, target, failure)
        return await self._save(esim, target)

    async def _settle(self, esim: ESIM, target: ProviderState, failure: Failure) -> ESIM:
        """Settle a refused or unclear call by the state that the provider reports now."""
        try:
            details = await self._source.get_esim(esim.iccid, priority=Priority.WRITE)
        except Failure as unknown:
            episodes.record(
                "suspensions are not confirmed",
                "suspension of an eSIM is not confirmed: %s",
                unknown.reason,
            )
            raise _unconfirmed(target) from unknown
        if details.state is None:
            raise _unconfirmed(target) from failure
        saved = await self._save(esim, details.state, details)
        if details.state is target:
            return saved
        if failure.kind is Kind.UNCLEAR:
            raise _unconfirmed(target) from failure
        if details.state is ProviderState.DEACTIVATED or target is ProviderState.SUSPENDED:
            raise _not_suspendable(saved.status) from failure
        raise Failure(
            Kind.REFUSED,
            "POLICY_SUSPENSION",
            "The provider suspended this eSIM for a policy violation, and only the provider's"
            " support can restore it; contact the shop's support",
        ) from failure

    async def _save(self, esim: ESIM, state: ProviderState, details: Details | None = None) -> ESIM:
        now = self._clock.wall()
        async with self._database.system() as connection:
            [locked] = await store.lock(connection, [esim.id])
            changed = replace(locked, provider_state=state, state_read_at=now)
            if details is not None:
                changed = replace(
                    changed,
                    matching_id=details.matching_id or changed.matching_id,
                    smdp_address=details.smdp_address or changed.smdp_address,
                )
            saved: Sequence[ESIM] = await record.save_with_status(connection, [changed], now)
        return saved[0]


def _not_suspendable(status: ESIMStatus) -> Failure:
    why = {
        ESIMStatus.PROCESSING: "is still being prepared",
        ESIMStatus.EXPIRED: "has expired",
        ESIMStatus.CANCELLED: "was cancelled",
    }.get(status, "can't be suspended or restored according to the provider")
    return Failure(
        Kind.REFUSED,
        "ESIM_NOT_SUSPENDABLE",
        f"This eSIM {why}; nothing was changed",
        details={"status": status},
    )


def _unconfirmed(target: ProviderState) -> Failure:
    word = "suspended" if target is ProviderState.SUSPENDED else "restored"
    return Failure(
        Kind.UNAVAILABLE,
        "SUSPENSION_UNCONFIRMED",
        f"The provider did not say whether the eSIM was {word}; query it again, or try again soon",
    )
