"""Provider snapshots in any order, late and repeated: the newest decides."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from services.esims import cancel
from services.esims.bundle import AssignmentState, BundleState, usage_of
from services.esims.callbacks.apply import Outcome
from services.esims.callbacks.events import (
    NumberChanged,
)
from services.esims.esim import ESIMStatus, ProviderState
from services.esims.provider_esim import Details
from services.esims.snapshots.expire import BundleExpiry
from tests.component.esims.ingesting import GB, assigned, ingest, report, stored_bundles
from tests.component.esims.parts import Parts

LIFE = [("queued", GB), ("active", GB // 2), ("active", GB // 4), ("depleted", 0), ("expired", 0)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(LIFE))))[::17])
async def test_responses_in_any_order_lead_to_the_same_state(
    parts: Parts, order: tuple[int, ...]
) -> None:
    (esim,) = await parts.deliver()
    for index in (*order, order[0]):
        state, remaining = LIFE[index]
        after = await ingest(parts, esim, assigned(esim, state, remaining), after=index)
    assert after.status is ESIMStatus.EXPIRED
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.assignment.state is AssignmentState.EXPIRED
    assert bundle.remaining_bytes == 0


@pytest.mark.parametrize("ended", ["expired", "lapsed", "revoked"])
@pytest.mark.parametrize("later", list(AssignmentState))
async def test_only_a_newer_response_reopens_an_ended_bundle(
    parts: Parts, ended: str, later: str
) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, ended), after=2)
    await ingest(parts, esim, assigned(esim, later), after=1)
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.assignment.state == ended
    await ingest(parts, esim, assigned(esim, later), after=3)
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.assignment.state == later


@pytest.mark.parametrize(("skipped", "left"), [(0, {"215001"}), (1, {"215000", "215001"})])
async def test_a_bundle_missing_from_a_fully_readable_list_is_removed(
    parts: Parts, skipped: int, left: set[str]
) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"), assigned(esim, "queued", number=1))
    after = await ingest(
        parts, esim, assigned(esim, "active", number=1), after=3600, skipped=skipped
    )
    assert after.status is ESIMStatus.ACTIVE
    present = {b.assignment.id for b in await stored_bundles(parts, esim) if not b.absent}
    assert present == left


@pytest.mark.parametrize(
    ("days", "status", "state"),
    [
        (366, ESIMStatus.EXPIRED, BundleState.EXPIRED),
        (300, ESIMStatus.CANCELLED, BundleState.CANCELLED),
    ],
)
async def test_an_unused_bundle_that_is_not_listed_after_a_year_has_lapsed(
    parts: Parts, days: int, status: ESIMStatus, state: BundleState
) -> None:
    (esim,) = await parts.deliver()
    await parts.fetcher.refresh_all([esim])
    for item in parts.provider.world.assignments:
        item.state = "lapsed"  # the provider lists no such bundle
    parts.clock.ahead += timedelta(days=days)
    await parts.fetcher.refresh_all([esim])
    assert await parts.status(esim.id) == status
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.state is state


async def test_usage_is_that_of_the_bundle_that_ended_last(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    began = esim.created_at
    long, short = assigned(esim, "active", 5), assigned(esim, "active", 7, number=1)
    long = replace(long, started_at=began, ends_at=began + timedelta(days=30))
    later = began + timedelta(days=1)
    short = replace(short, assigned_at=later, started_at=later, ends_at=began + timedelta(days=8))
    await ingest(parts, esim, long, short)
    parts.clock.ahead = timedelta(days=31)
    await BundleExpiry(parts.database, parts.clock).expire()
    assert await parts.status(esim.id) == "EXPIRED"
    usage = usage_of(await stored_bundles(parts, esim), as_of=began)
    assert (usage.remaining_bytes, usage.active_bundles) == (5, 0)


async def test_a_new_bundle_reactivates_an_expired_esim(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    old = assigned(esim, "expired", 0)
    assert (await ingest(parts, esim, old)).status is ESIMStatus.EXPIRED
    topped_up = await ingest(parts, esim, old, assigned(esim, "queued", number=1), after=2)
    assert topped_up.status is ESIMStatus.ASSIGNED


async def test_a_bundle_that_was_missing_from_one_list_is_restored_by_the_next(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "active"))
    assert (await ingest(parts, esim, after=2)).status is ESIMStatus.CANCELLED
    back = await ingest(parts, esim, assigned(esim, "active"), after=3)
    assert back.status is ESIMStatus.ACTIVE


async def test_a_late_list_does_not_restore_a_bundle_that_a_newer_list_lacks(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"))
    await ingest(parts, esim, after=3)
    late = await ingest(parts, esim, assigned(esim, "queued"), after=2)
    assert late.status is ESIMStatus.CANCELLED


async def test_a_late_list_does_not_remove_a_newer_bundle(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"), after=5)
    assert (await ingest(parts, esim, after=4)).status is ESIMStatus.ASSIGNED
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.state is BundleState.INACTIVE


async def test_a_response_about_one_bundle_removes_no_other(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"), assigned(esim, "queued", number=1))
    await ingest(parts, esim, assigned(esim, "active"), after=2, listed=False)
    states = sorted(bundle.state for bundle in await stored_bundles(parts, esim))
    assert states == [BundleState.ACTIVE, BundleState.INACTIVE]


async def test_a_list_truncated_at_its_limit_removes_nothing(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued", number=999))
    full = [assigned(esim, "queued", number=number) for number in range(200)]
    after = await ingest(parts, esim, *full, after=2)
    assert after.bundles_read_at == esim.created_at + timedelta(seconds=2)
    assert all(bundle.usable for bundle in await stored_bundles(parts, esim))


async def test_a_list_requested_before_a_cancellation_reopens_nothing(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver()
    await cancel.cancel_order_bundles(parts.database, parts.clock, cancel.Cancelled(esim.order_id))
    late = await ingest(parts, esim, assigned(esim, "queued"))
    assert late.status is ESIMStatus.CANCELLED


async def test_a_cancelled_order_does_not_cancel_bundles_of_other_orders(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    other = replace(assigned(esim, "queued", number=1), reference=f"{esim.order_reference}0-0")
    await ingest(parts, esim, assigned(esim, "queued"), other)
    (after,) = await cancel.cancel_order_bundles(
        parts.database, parts.clock, cancel.Cancelled(esim.order_id)
    )
    assert after.status is ESIMStatus.ASSIGNED
    states = {b.assignment.reference: b.state for b in await stored_bundles(parts, esim)}
    assert states[other.reference] is BundleState.INACTIVE
    assert sorted(states.values()) == [BundleState.CANCELLED, BundleState.INACTIVE]


async def test_a_state_requested_before_a_newer_one_is_dropped(parts: Parts) -> None:
    (esim,) = await parts.deliver()

    def details(state: ProviderState) -> Details:
        return Details(esim.iccid, state, "Installed", "", "", "")

    suspended = await ingest(parts, esim, after=9, details=details(ProviderState.SUSPENDED))
    assert suspended.status is ESIMStatus.SUSPENDED
    late = await ingest(parts, esim, after=8, details=details(ProviderState.ACTIVE))
    assert late.status is ESIMStatus.SUSPENDED
    newer = await ingest(parts, esim, after=10, details=details(ProviderState.ACTIVE))
    assert newer.status is ESIMStatus.ASSIGNED
    assert newer.matching_id == esim.matching_id


async def test_the_phone_number_is_the_one_that_the_provider_reports(parts: Parts) -> None:
    (esim,) = await parts.deliver()

    def details(msisdn: str | None) -> Details:
        return Details(esim.iccid, None, "Installed", "", "", "", msisdn=msisdn)

    assert await report(parts, esim, NumberChanged("447700900123"), after=1) is Outcome.APPLIED
    # The provider's API may lag behind its callbacks for a moment.
    assert (await ingest(parts, esim, after=2, details=details(""))).msisdn == "447700900123"
    assert (await ingest(parts, esim, after=8, details=details(None))).msisdn == "447700900123"
    assert (await ingest(parts, esim, after=9, details=details(""))).msisdn == ""
    assert (await ingest(parts, esim, after=10, details=details("1"))).msisdn == ""
    assert (await ingest(parts, esim, after=15, details=details("1"))).msisdn == "1"
    assert (await ingest(parts, esim, after=14, details=details("2"))).msisdn == "1"


async def test_an_install_time_in_the_future_is_ignored(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    details = Details(esim.iccid, None, "Installed", "", "", "")
    later = replace(details, first_installed=esim.created_at + timedelta(days=400))
    assert (await ingest(parts, esim, after=1, details=later)).installed_at is None
    known = replace(details, first_installed=esim.created_at)
    assert (await ingest(parts, esim, after=2, details=known)).installed_at == esim.created_at


async def test_a_refresh_without_changes_keeps_the_update_time(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    first = await ingest(parts, esim, assigned(esim, "queued"))
    second = await ingest(parts, esim, assigned(esim, "queued"), after=2)
    assert second.updated_at == first.updated_at == esim.updated_at
    assert second.bundles_read_at != first.bundles_read_at
