"""Callbacks that the provider does not confirm are corrected by the next snapshot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.esims.bundle import BundleState
from services.esims.callbacks.apply import Outcome
from services.esims.callbacks.events import (
    Activated,
    BundleActivated,
    BundleExpired,
    BundleUse,
    Change,
    CodeAssigned,
    Deleted,
    NumberChanged,
)
from services.esims.esim import ESIM, ESIMStatus, ProviderState
from services.esims.provider_esim import Details
from tests.component.esims.ingesting import GB, assigned, ingest, report, stored_bundles, used
from tests.component.esims.parts import Parts

WRONG = [
    lambda esim: used(esim, 0),
    lambda esim: used(esim, 5),
    lambda esim: BundleExpired(esim.bundle_name),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_newer_response_corrects_a_wrong_report_in_both_directions(
    parts: Parts, wrong: Callable[[ESIM], Change]
) -> None:
    (esim,) = await parts.deliver()
    before = assigned(esim, "active", GB // 2)
    await ingest(parts, esim, before, after=1)
    assert await report(parts, esim, wrong(esim), after=3) is Outcome.APPLIED
    # This snapshot was requested before the callback arrived, so it can't contradict it.
    reported = await stored_bundles(parts, esim)
    await ingest(parts, esim, before, after=2)
    assert [b.assignment for b in await stored_bundles(parts, esim)] == [
        b.assignment for b in reported
    ]
    corrected = await ingest(parts, esim, before, after=4)
    assert corrected.status is ESIMStatus.ACTIVE
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.state, bundle.remaining_bytes) == (BundleState.ACTIVE, GB // 2)
    less = await ingest(parts, esim, assigned(esim, "depleted", 0), after=5)
    assert less.status is ESIMStatus.EXPIRED
    more = await ingest(parts, esim, assigned(esim, "active", GB // 4), after=6)
    assert more.status is ESIMStatus.ACTIVE


async def test_a_report_older_than_the_last_response_queries_the_provider(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "active", GB // 2), after=5)
    assert await report(parts, esim, used(esim, 0), after=4) is Outcome.READ_QUEUED
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.state, bundle.remaining_bytes) == (BundleState.ACTIVE, GB // 2)


async def test_a_usage_report_that_the_provider_does_not_confirm_is_reverted(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"))
    ends = parts.clock.wall() + timedelta(days=7)
    wrong = replace(used(esim, GB), ends_at=ends)
    assert await report(parts, esim, wrong, after=2) is Outcome.APPLIED
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.state, bundle.assignment.ends_at) == (BundleState.ACTIVE, ends)
    corrected = await ingest(parts, esim, assigned(esim, "queued"), after=3)
    assert corrected.status is ESIMStatus.ASSIGNED
    (bundle,) = await stored_bundles(parts, esim)
    dates = (bundle.assignment.started_at, bundle.assignment.ends_at)
    assert (bundle.state, dates) == (BundleState.INACTIVE, (None, None))


async def test_an_announced_bundle_that_the_provider_does_not_list_is_removed(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await ingest(parts, esim, assigned(esim, "queued"))
    wrong = BundleActivated("esim_never_bought", esim.created_at, None)
    assert await report(parts, esim, wrong, after=2) is Outcome.READ_QUEUED
    assert len(await stored_bundles(parts, esim)) == 2
    corrected = await ingest(parts, esim, assigned(esim, "queued"), after=3)
    assert corrected.status is ESIMStatus.ASSIGNED
    assert [b.assignment.name for b in await stored_bundles(parts, esim)] == [esim.bundle_name]


async def test_a_wrong_deletion_is_corrected(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    alive = Details(esim.iccid, ProviderState.ACTIVE, "Released", "", "", "")
    await ingest(parts, esim, assigned(esim, "active", 5), after=1, details=alive)
    assert await report(parts, esim, Deleted(), after=3) is Outcome.APPLIED
    assert await parts.status(esim.id) == "CANCELLED"
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.state is BundleState.CANCELLED
    late = await ingest(parts, esim, assigned(esim, "active", 5), after=2, details=alive)
    assert late.status is ESIMStatus.CANCELLED
    corrected = await ingest(parts, esim, assigned(esim, "active", 5), after=4, details=alive)
    assert corrected.status is ESIMStatus.ACTIVE
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.state is BundleState.ACTIVE
    assert await report(parts, esim, Deleted(), after=3) is Outcome.READ_QUEUED
    assert await parts.status(esim.id) == "ACTIVE"


async def test_an_end_that_a_newer_response_does_not_confirm_is_reverted(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver()
    active = assigned(esim, "active", GB // 2)
    await ingest(parts, esim, active, after=1)
    use = BundleUse(active.id, active.name, GB, GB // 2, None, esim.created_at)
    assert await report(parts, esim, use, after=2) is Outcome.APPLIED
    (bundle,) = await stored_bundles(parts, esim)
    assert bundle.state is BundleState.EXPIRED
    corrected = await ingest(parts, esim, active, after=3)
    assert corrected.status is ESIMStatus.ACTIVE
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.state, bundle.assignment.ends_at) == (BundleState.ACTIVE, None)


async def test_an_end_before_the_bundle_began_does_not_end_it(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    ends = parts.clock.wall() + timedelta(days=7)
    active = replace(assigned(esim, "active"), started_at=esim.created_at, ends_at=ends)
    await ingest(parts, esim, active, after=1)
    wrong = datetime(2012, 1, 1, tzinfo=UTC)
    use = BundleUse(active.id, active.name, GB, GB // 2, None, wrong, unlimited=False)
    assert await report(parts, esim, use, after=2) is Outcome.APPLIED
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.state, bundle.remaining_bytes) == (BundleState.ACTIVE, GB // 2)
    assert bundle.assignment.ends_at == ends
    assert await parts.status(esim.id) == "ACTIVE"


async def test_a_bundle_of_a_wrong_assignment_id_is_removed(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    active = assigned(esim, "active", GB // 2)
    await ingest(parts, esim, active, after=1)
    wrong = replace(used(esim, 5), assignment_id="999")
    assert await report(parts, esim, wrong, after=3) is Outcome.READ_QUEUED
    assert len(await stored_bundles(parts, esim)) == 2
    await ingest(parts, esim, active, after=4)
    assert [b.assignment.id for b in await stored_bundles(parts, esim)] == [active.id]
    revoked = await ingest(parts, esim, after=5)
    assert revoked.status is ESIMStatus.CANCELLED
    (bundle,) = await stored_bundles(parts, esim)
    assert (bundle.assignment.id, bundle.state) == (active.id, BundleState.CANCELLED)


def details(esim: ESIM, status: str = "Released", **fields: Any) -> Details:
    fields = {"matching_id": "RIGHT", "smdp_address": "right.example", "customer_ref": ""} | fields
    return Details(esim.iccid, ProviderState.ACTIVE, status, **fields)


async def test_a_wrong_activation_code_is_corrected(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    queued = assigned(esim, "queued")

    async def code_after(seconds: int, **answer: Any) -> tuple[str, str]:
        stored = await ingest(parts, esim, queued, after=seconds, details=details(esim, **answer))
        return stored.smdp_address, stored.matching_id

    wrong = CodeAssigned("wrong.example", "WRONG", at=None)
    assert await report(parts, esim, wrong, after=10) is Outcome.APPLIED
    # The provider may answer with the code before the callback's for a few seconds, or without one.
    assert await code_after(12) == ("wrong.example", "WRONG")
    assert await code_after(20, matching_id="", smdp_address="") == ("wrong.example", "WRONG")
    assert await code_after(21) == ("right.example", "RIGHT")
    # A callback that was received before the correction changes nothing, a later one does.
    late = replace(wrong, matching_id="LATE")
    assert await report(parts, esim, late, after=20) is Outcome.UNCHANGED
    assert await report(parts, esim, late, after=30) is Outcome.APPLIED
    assert await code_after(31) == ("wrong.example", "LATE")


async def test_a_late_callback_does_not_replace_a_newer_response(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    current = details(esim, msisdn="")
    await ingest(parts, esim, assigned(esim, "queued"), after=20, details=current)
    late: list[Change] = [CodeAssigned("wrong.example", "WRONG", at=None), NumberChanged("44700")]
    for change in late:
        assert await report(parts, esim, change, after=10) is Outcome.READ_QUEUED
    row = await parts.databases.admin.fetchval("select array[matching_id, msisdn] from esims.esims")
    assert row == ["RIGHT", ""]
    confirmed: list[Change] = [CodeAssigned("right.example", "RIGHT", None), NumberChanged("")]
    for change in confirmed:
        assert await report(parts, esim, change, after=10) is Outcome.APPLIED
    for change in late:  # the provider's responses may lag behind its callbacks
        assert await report(parts, esim, change, after=18) is Outcome.APPLIED


async def test_a_code_that_the_provider_confirms_stays_that_of_its_callback(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    code = CodeAssigned("right.example", "RIGHT", at=None)
    assert await report(parts, esim, code, after=10) is Outcome.APPLIED
    confirmed = await ingest(parts, esim, assigned(esim, "queued"), after=20, details=details(esim))
    assert confirmed.code_assigned_at == esim.created_at + timedelta(seconds=10)


async def test_a_wrong_activation_is_corrected(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    queued = assigned(esim, "queued")
    await ingest(parts, esim, queued, after=1, details=details(esim))
    assert await report(parts, esim, Activated(None), after=10) is Outcome.APPLIED
    assert await parts.status(esim.id) == "ACTIVE"
    early = await ingest(parts, esim, queued, after=12, details=details(esim))
    assert early.status is ESIMStatus.ACTIVE
    corrected = await ingest(parts, esim, queued, after=20, details=details(esim))
    assert (corrected.status, corrected.activated_at) == (ESIMStatus.ASSIGNED, None)


USED: list[dict[str, Any]] = [
    {"status": "Installed"},
    {"status": "Downloaded"},
    {"status": ""},
    {"first_installed": datetime(2026, 1, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize("answer", USED, ids=str)
async def test_an_activation_of_an_esim_that_may_be_installed_stays(
    parts: Parts, answer: dict[str, Any]
) -> None:
    (esim,) = await parts.deliver()
    await report(parts, esim, Activated(None), after=10)
    stored = await ingest(
        parts, esim, assigned(esim, "queued"), after=20, details=details(esim, **answer)
    )
    assert stored.status is ESIMStatus.ACTIVE


@pytest.mark.parametrize("incomplete", [{"skipped": 1}, {"listed": False}], ids=str)
async def test_an_activation_is_corrected_by_a_whole_answer_without_used_bundles_only(
    parts: Parts, incomplete: dict[str, Any]
) -> None:
    (esim,) = await parts.deliver()
    await report(parts, esim, Activated(None), after=10)
    known = details(esim)
    queued, expired = assigned(esim, "queued"), assigned(esim, "expired", 0, number=1)
    for assignments, fields in (([queued], incomplete), ([queued, expired], {})):
        stored = await ingest(parts, esim, *assignments, after=20, details=known, **fields)
        assert stored.status is ESIMStatus.ACTIVE
