from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from services.esims.bundle import (
    Assignment,
    AssignmentState,
    Bundle,
    BundleState,
    Usage,
    megabytes,
    usage_of,
)
from services.esims.esim import (
    ESIMStatus,
    ProviderState,
    bare_host,
    needs_following,
    status_of,
    with_status,
)
from services.esims.snapshots.follow import FIRST_PAUSE, FOLLOWED_FOR, LEASE, MAX_PAUSE, next_poll
from services.esims.snapshots.follow_store import Due
from tests.unit.esims.example import NOW, esim

GB = 10**9


def bundle(
    state: str = "queued",
    *,
    initial: int | None = GB,
    remaining: int | None = GB,
    unlimited: bool = False,
    absent: bool = False,
    suspended: bool = False,
    read_at: datetime = NOW,
) -> Bundle:
    assignment = Assignment(
        id=str(uuid4()),
        name="bundle",
        description="",
        reference="order-0",
        state=AssignmentState(state),
        initial_bytes=initial,
        remaining_bytes=remaining,
        unlimited=unlimited,
        assigned_at=NOW,
        started_at=None,
        ends_at=None,
    )
    return Bundle(UUID(int=1), assignment, absent, suspended, read_at)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("processing", BundleState.PROCESSING),
        ("queued", BundleState.INACTIVE),
        ("active", BundleState.ACTIVE),
        ("depleted", BundleState.EXPIRED),
        ("expired", BundleState.EXPIRED),
        ("lapsed", BundleState.EXPIRED),
        ("revoked", BundleState.CANCELLED),
    ],
)
def test_every_provider_state_maps_to_a_customer_status(state: str, shown: BundleState) -> None:
    assert bundle(state).state is shown


@pytest.mark.parametrize("state", ["processing", "queued", "depleted", "expired", "revoked"])
def test_a_suspension_affects_only_an_active_bundle(state: str) -> None:
    assert bundle("active", suspended=True).state is BundleState.SUSPENDED
    assert bundle(state, suspended=True).state is bundle(state).state


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("queued", BundleState.CANCELLED),
        ("active", BundleState.CANCELLED),
        ("expired", BundleState.EXPIRED),
    ],
)
def test_a_bundle_missing_from_the_list_was_removed_unless_it_had_ended(
    state: str, shown: BundleState
) -> None:
    assert bundle(state, absent=True).state is shown
    assert not bundle(state, absent=True).usable


DEACTIVATED, SUSPENDED = ProviderState.DEACTIVATED, ProviderState.SUSPENDED


@pytest.mark.parametrize(
    ("fields", "states", "status"),
    [
        ({"matching_id": ""}, [], ESIMStatus.PROCESSING),
        ({"smdp_address": ""}, ["queued"], ESIMStatus.PROCESSING),
        ({}, [], ESIMStatus.ASSIGNED),
        ({}, ["processing"], ESIMStatus.ASSIGNED),
        ({}, ["queued"], ESIMStatus.ASSIGNED),
        ({"auto_activate": True}, ["queued"], ESIMStatus.ASSIGNED),
        ({}, ["active"], ESIMStatus.ACTIVE),
        ({"auto_activate": True}, ["active"], ESIMStatus.ACTIVE),
        ({"matching_id": ""}, ["active"], ESIMStatus.ACTIVE),
        ({}, ["queued", "depleted"], ESIMStatus.ASSIGNED),
        ({}, ["active", "expired"], ESIMStatus.ACTIVE),
        ({}, ["depleted"], ESIMStatus.EXPIRED),
        ({}, ["expired", "lapsed", "depleted"], ESIMStatus.EXPIRED),
        ({}, ["expired", "revoked"], ESIMStatus.EXPIRED),
        ({}, ["revoked"], ESIMStatus.CANCELLED),
        ({}, ["revoked", "active"], ESIMStatus.ACTIVE),
        ({"provider_state": SUSPENDED}, [], ESIMStatus.SUSPENDED),
        ({"provider_state": SUSPENDED}, ["active"], ESIMStatus.SUSPENDED),
        ({"provider_state": SUSPENDED}, ["expired"], ESIMStatus.EXPIRED),
        ({"provider_state": SUSPENDED}, ["revoked"], ESIMStatus.CANCELLED),
        ({"provider_state": DEACTIVATED}, ["active"], ESIMStatus.CANCELLED),
        ({"order_cancelled_at": NOW}, [], ESIMStatus.CANCELLED),
        ({"order_cancelled_at": NOW}, ["revoked", "expired"], ESIMStatus.CANCELLED),
        ({"order_cancelled_at": NOW}, ["revoked", "active"], ESIMStatus.ACTIVE),
    ],
)
def test_the_status_follows_from_state_and_bundles(
    fields: dict[str, object], states: list[str], status: ESIMStatus
) -> None:
    assert status_of(esim(**fields), [bundle(state) for state in states]) is status


@pytest.mark.parametrize(
    ("before", "fields", "states", "action"),
    [
        (ESIMStatus.ASSIGNED, {}, ["active"], "Activated"),
        (ESIMStatus.ACTIVE, {}, ["depleted"], "Expired"),
        (ESIMStatus.ACTIVE, {}, ["revoked"], "Cancelled"),
        (ESIMStatus.ACTIVE, {"provider_state": SUSPENDED}, ["active"], "Suspended"),
        (ESIMStatus.SUSPENDED, {}, ["active"], "Restored"),
        (ESIMStatus.SUSPENDED, {}, ["queued"], "Restored"),
        (ESIMStatus.SUSPENDED, {}, ["expired"], "Expired"),
        (ESIMStatus.PROCESSING, {}, ["queued"], "Assigned"),
    ],
)
def test_a_status_change_is_the_last_action(
    before: ESIMStatus, fields: dict[str, object], states: list[str], action: str
) -> None:
    later = NOW + timedelta(hours=1)
    after = with_status(esim(status=before, **fields), [bundle(s) for s in states], later)
    assert (after.last_action, after.action_date) == (action, later)


def test_an_unchanged_status_does_not_change_the_last_action() -> None:
    same = esim(status=ESIMStatus.ACTIVE)
    assert with_status(same, [bundle("active")], NOW + timedelta(hours=1)) == same


def test_usage_sums_active_and_unused_bundles() -> None:
    usage = usage_of(
        [
            bundle("active", remaining=GB // 4),
            bundle("queued", initial=3 * GB, remaining=3 * GB, read_at=NOW - timedelta(hours=1)),
            bundle("expired", remaining=0, read_at=NOW - timedelta(days=9)),
            bundle("revoked"),
        ],
        as_of=None,
    )
    assert (usage.used_bytes, usage.remaining_bytes) == (3 * GB // 4, GB // 4 + 3 * GB)
    assert usage.active_bundles == 1
    assert usage.as_of == NOW - timedelta(hours=1)


def test_usage_with_an_unlimited_bundle_has_no_sums() -> None:
    usage = usage_of(
        [bundle("active"), bundle("queued", unlimited=True, initial=None, remaining=None)],
        as_of=NOW,
    )
    assert (usage.used_bytes, usage.remaining_bytes, usage.active_bundles) == (None, None, 1)


def test_usage_without_bundles_is_as_old_as_the_last_refresh_and_unknown_before_it() -> None:
    assert usage_of([], as_of=NOW) == Usage(0, 0, 0, NOW)
    assert usage_of([bundle("revoked")], as_of=NOW) == Usage(0, 0, 0, NOW)
    assert usage_of([], as_of=None) == Usage(None, None, 0, None)


def test_usage_of_a_depleted_esim_is_that_of_its_last_bundle() -> None:
    last = bundle("depleted", initial=3 * GB, remaining=0, read_at=NOW - timedelta(hours=1))
    older = bundle("expired", remaining=GB // 2)
    usage = usage_of([bundle("revoked"), last, older], as_of=NOW)
    assert usage == Usage(3 * GB, 0, 0, NOW - timedelta(hours=1))
    unlimited = bundle("expired", unlimited=True, initial=None, remaining=None)
    assert usage_of([unlimited, older], as_of=NOW) == Usage(None, None, 0, NOW)


def test_usage_after_the_last_bundle_is_that_of_the_one_that_ended_last() -> None:
    newest = replace(bundle("expired", remaining=GB), ended_at=NOW - timedelta(days=20))
    ended_last = replace(bundle("expired", remaining=GB // 4), ended_at=NOW)
    for bundles in ([newest, ended_last], [ended_last, newest]):
        assert usage_of(bundles, as_of=NOW) == Usage(3 * GB // 4, GB // 4, 0, NOW)


def test_usage_with_an_unknown_amount_is_unknown_and_ignores_calls() -> None:
    unknown = bundle("active", initial=None, remaining=None)
    assert usage_of([bundle("active"), unknown], as_of=NOW) == Usage(None, None, 2, NOW)
    calls = bundle("active", initial=0, remaining=0)
    assert usage_of([bundle("active", remaining=5), calls], as_of=NOW) == Usage(GB - 5, 5, 2, NOW)


@pytest.mark.parametrize("state", ["processing", "queued", "active"])
def test_a_deleted_esim_has_no_live_bundle(state: str) -> None:
    deleted = replace(bundle(state), esim_deactivated=True)
    assert (deleted.state, deleted.usable) == (BundleState.CANCELLED, False)
    assert usage_of([deleted], as_of=NOW) == Usage(0, 0, 0, NOW)
    assert replace(bundle("expired"), esim_deactivated=True).state is BundleState.EXPIRED


def test_data_added_by_the_provider_never_makes_usage_negative() -> None:
    assert bundle("active", initial=GB, remaining=2 * GB).used_bytes == 0


@pytest.mark.parametrize(
    ("count", "mb"),
    [(0, "0.000"), (499, "0.000"), (500, "0.001"), (123_456_789, "123.457"), (2500, "0.003")],
)
def test_megabytes_are_base_10_and_rounded_half_up(count: int, mb: str) -> None:
    assert megabytes(count) == Decimal(mb)


@pytest.mark.parametrize(
    "address",
    ["rsp.example.com", "http://rsp.example.com", "HTTPS://rsp.example.com/", " rsp.example.com "],
)
def test_an_smdp_address_is_a_bare_host_name(address: str) -> None:
    assert bare_host(address) == "rsp.example.com"


def test_secrets_are_absent_from_the_repr_of_an_esim() -> None:
    assert "matching" not in repr(esim()).replace("matching_id", "")


@pytest.mark.parametrize(
    ("fields", "followed"),
    [
        ({"status": ESIMStatus.PROCESSING}, True),
        ({"status": ESIMStatus.ASSIGNED}, False),
        ({"status": ESIMStatus.ASSIGNED, "auto_activate": True}, True),
        ({"status": ESIMStatus.SUSPENDED, "auto_activate": True}, True),
        ({"status": ESIMStatus.ACTIVE, "auto_activate": True}, False),
        ({"status": ESIMStatus.EXPIRED, "auto_activate": True}, False),
        ({"status": ESIMStatus.CANCELLED, "auto_activate": True}, False),
    ],
)
def test_only_esims_awaiting_a_change_are_polled(fields: dict[str, object], followed: bool) -> None:
    assert needs_following(esim(**fields)) is followed


def next_poll_after(count: int, after: timedelta) -> datetime | None:
    """Return the time of the next refresh of an unused eSIM that was refreshed just now."""
    now = NOW + after
    followed = esim(auto_activate=True, state_read_at=now, bundles_read_at=now)
    return next_poll(followed, Due(esim(auto_activate=True), count, now + LEASE), now)


def test_polls_back_off_up_to_a_bound_and_end() -> None:
    assert next_poll_after(1, timedelta(seconds=1)) == NOW + timedelta(seconds=1) + FIRST_PAUSE
    assert next_poll_after(3, timedelta(seconds=1)) == NOW + timedelta(seconds=1) + 4 * FIRST_PAUSE
    assert next_poll_after(1000, timedelta(days=1)) == NOW + timedelta(days=1) + MAX_PAUSE
    assert next_poll_after(1000, FOLLOWED_FOR) is None


@pytest.mark.parametrize("asked", [None, NOW - timedelta(microseconds=1)])
def test_a_poll_that_was_not_answered_is_repeated(asked: datetime | None) -> None:
    due = Due(esim(), 1, NOW + LEASE)
    assert next_poll(esim(state_read_at=asked), due, NOW) == NOW + FIRST_PAUSE
    answered, later = esim(state_read_at=NOW, bundles_read_at=NOW), NOW + timedelta(seconds=2)
    assert next_poll(answered, due, later) is None
    # Each of the two requests may fail alone.
    for half in (replace(answered, state_read_at=asked), replace(answered, bundles_read_at=asked)):
        assert next_poll(half, due, NOW) == NOW + FIRST_PAUSE
