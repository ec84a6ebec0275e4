"""Takes in what the provider was heard to say of eSIMs, and settles the status that follows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from kit import timestamps
from kit.db import Connection
from services.esims import bundle_store, follow_store, store
from services.esims.bundle import Assignment, Bundle
from services.esims.bundle_store import Told
from services.esims.datasource import MOST_ASSIGNMENTS
from services.esims.esim import ESIM, settled
from services.esims.profile import CLOCKS_APART, told_by_reading
from services.esims.provider_esim import Details


@dataclass(frozen=True, slots=True)
class Reading:
    """What the provider answered about one eSIM, asked at `asked_at`; None where it was not asked.

    `listed`: the assignments are the list of all, not only those of one bundle, but for `skipped` ones
    that could not be read.
    """

    esim_id: UUID
    asked_at: datetime
    assignments: Sequence[Assignment] | None = None
    listed: bool = False
    skipped: int = 0
    details: Details | None = None

    @property
    def complete(self) -> bool:
        """Whether an assignment that isn't among these is not on the eSIM."""
        return self.listed and not self.skipped and len(self.assignments or ()) < MOST_ASSIGNMENTS


async def record(connection: Connection, readings: Sequence[Reading], now: datetime) -> list[ESIM]:
    """Takes in readings of different eSIMs and gives those as they are then.

    In any order and any number of times; the number of statements doesn't depend on how many.
    """
    esims = await store.lock(connection, [reading.esim_id for reading in readings])
    await bundle_store.upsert(
        connection,
        [Told(r.esim_id, a, r.asked_at) for r in readings for a in r.assignments or ()],
        queried=True,
    )
    await bundle_store.mark_absent(
        connection, {r.esim_id: r.asked_at for r in readings if r.complete}
    )
    of_esim = {reading.esim_id: reading for reading in readings}
    return await settle(connection, [_told(esim, of_esim[esim.id]) for esim in esims], now)


async def settle(connection: Connection, esims: Sequence[ESIM], now: datetime) -> list[ESIM]:
    """Saves eSIMs whose rows are locked, with the status that they and their bundles give."""
    await bundle_store.expire_ended(connection, [esim.id for esim in esims], now)
    bundles: defaultdict[UUID, list[Bundle]] = defaultdict(list)
    for bundle in await bundle_store.list_of_esims(connection, [esim.id for esim in esims]):
        bundles[bundle.esim_id].append(bundle)
    after = [settled(esim, bundles[esim.id], now) for esim in esims]
    changed_at = await store.save(connection, after)
    await follow_store.follow_ends(connection, [esim.id for esim in after], now)
    return [replace(esim, updated_at=changed_at[esim.id]) for esim in after]


def _told(esim: ESIM, reading: Reading) -> ESIM:
    if reading.listed and _is_news(esim.bundles_read_at, reading):
        esim = replace(esim, bundles_read_at=reading.asked_at)
    details = reading.details
    # An answer to a question older than the last one may tell of before a suspension.
    if details is None or not _is_news(esim.state_read_at, reading):
        return esim
    esim = replace(
        esim,
        provider_state=details.state or esim.provider_state,
        state_read_at=reading.asked_at,
    )
    installed = timestamps.happened(details.first_installed, reading.asked_at)
    esim = told_by_reading(esim, details.profile_status, installed, reading.asked_at)
    # A callback of just before may be ahead of what the provider answers.
    if details.msisdn not in (None, esim.msisdn) and _is_after(esim.msisdn_at, reading):
        esim = replace(esim, msisdn=details.msisdn, msisdn_at=reading.asked_at)
    # A code that was announced since is the customer's: only a newer announcement replaces it.
    if esim.code_assigned_at is not None:
        return esim
    return replace(
        esim,
        matching_id=details.matching_id or esim.matching_id,
        smdp_address=details.smdp_address or esim.smdp_address,
    )


def _is_after(known_since: datetime | None, reading: Reading) -> bool:
    """True if the reading is later than what is known by more than two clocks may differ."""
    return known_since is None or reading.asked_at > known_since + CLOCKS_APART


def _is_news(known_since: datetime | None, reading: Reading) -> bool:
    return known_since is None or reading.asked_at >= known_since
