"""Records provider snapshots of eSIMs, and derives the status that follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from kit.values import timestamps
from services.esims import bundle_store, store
from services.esims.bundle import Assignment, AssignmentState, by_esim
from services.esims.bundle_store import Report
from services.esims.datasource import MAX_ASSIGNMENTS
from services.esims.esim import ESIM, with_status
from services.esims.profile import CLOCKS_APART, after_snapshot, never_installed
from services.esims.provider_esim import Details
from services.esims.snapshots import follow_store

UNUSED = frozenset({AssignmentState.PROCESSING, AssignmentState.QUEUED})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The provider's answer about one eSIM to a query at `queried_at`; None for what was not queried.

    With `listed`, the assignments are all of the eSIM's, apart from `skipped` unreadable ones; without it,
    those of one bundle.
    """

    esim_id: UUID
    queried_at: datetime
    assignments: Sequence[Assignment] | None = None
    listed: bool = False
    skipped: int = 0
    details: Details | None = None

    @property
    def complete(self) -> bool:
        """True if an assignment that isn't among these is not on the eSIM."""
        return self.listed and not self.skipped and len(self.assignments or ()) < MAX_ASSIGNMENTS

    @property
    def unused(self) -> bool:
        """True if the eSIM was certainly never on a network: not installed, and no bundle has started."""
        return (
            self.complete
            and self.details is not None
            and never_installed(self.details.profile_status, self.details.first_installed)
            and all(a.state in UNUSED and a.started_at is None for a in self.assignments or ())
        )


async def record(
    connection: Connection, snapshots: Sequence[Snapshot], now: datetime
) -> list[ESIM]:
    """Record snapshots of different eSIMs, and return the eSIMs as they are then.

    Snapshots may be recorded in any order and repeatedly. The number of statements doesn't depend on
    how many there are.
    """
    esims = await store.lock(connection, [snapshot.esim_id for snapshot in snapshots])
    await bundle_store.upsert(
        connection,
        [Report(r.esim_id, a, r.queried_at) for r in snapshots for a in r.assignments or ()],
        queried=True,
    )
    await bundle_store.mark_absent(
        connection, {r.esim_id: r.queried_at for r in snapshots if r.complete}
    )
    of_esim = {snapshot.esim_id: snapshot for snapshot in snapshots}
    return await save_with_status(
        connection, [_updated(esim, of_esim[esim.id]) for esim in esims], now
    )


async def save_with_status(
    connection: Connection, esims: Sequence[ESIM], now: datetime
) -> list[ESIM]:
    """Save eSIMs whose rows are locked, with the status that follows from them and their bundles."""
    await bundle_store.expire_ended(connection, [esim.id for esim in esims], now)
    bundles = by_esim(await bundle_store.list_of_esims(connection, [esim.id for esim in esims]))
    after = [with_status(esim, bundles[esim.id], now) for esim in esims]
    changed_at = await store.save(connection, after)
    await follow_store.follow_ends(connection, [esim.id for esim in after], now)
    return [replace(esim, updated_at=changed_at[esim.id]) for esim in after]


def _updated(esim: ESIM, snapshot: Snapshot) -> ESIM:
    if snapshot.listed and _is_current(esim.bundles_read_at, snapshot):
        esim = replace(esim, bundles_read_at=snapshot.queried_at)
    details = snapshot.details
    # The answer to an older query may show the state before a suspension.
    if details is None or not _is_current(esim.state_read_at, snapshot):
        return esim
    esim = replace(
        esim, provider_state=details.state or esim.provider_state, state_read_at=snapshot.queried_at
    )
    installed = timestamps.happened(details.first_installed, snapshot.queried_at)
    esim = after_snapshot(esim, details.profile_status, installed, snapshot.queried_at)
    if snapshot.unused and _is_later(snapshot, esim.activated_at):
        esim = replace(esim, activated_at=None)
    if details.msisdn not in (None, esim.msisdn) and _is_later(snapshot, esim.msisdn_at):
        esim = replace(esim, msisdn=details.msisdn, msisdn_at=snapshot.queried_at)
    return _with_code(esim, details, snapshot)


def _with_code(esim: ESIM, details: Details, snapshot: Snapshot) -> ESIM:
    """Return the eSIM with the provider's code, unless a callback has just announced another one."""
    if not _is_later(snapshot, esim.code_assigned_at):
        return esim
    after = replace(
        esim,
        matching_id=details.matching_id or esim.matching_id,
        smdp_address=details.smdp_address or esim.smdp_address,
    )
    if after != esim and esim.code_assigned_at is not None:
        # Older callbacks about the code, which may still be delivered, must not undo the correction.
        after = replace(after, code_assigned_at=snapshot.queried_at)
    return after


def _is_later(snapshot: Snapshot, reported_at: datetime | None) -> bool:
    """True if the provider was queried after that report.

    A callback received just before may be ahead of the provider's answers, and clocks differ.
    """
    return reported_at is None or snapshot.queried_at > reported_at + CLOCKS_APART


def _is_current(known_since: datetime | None, snapshot: Snapshot) -> bool:
    return known_since is None or snapshot.queried_at >= known_since
