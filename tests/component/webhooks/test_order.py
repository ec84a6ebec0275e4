"""Events in any order, and repeated, leave an eSIM as they do in their own order."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.esims.v1 import events_pb2 as pb
from tests.component.esims.running import BUNDLE
from tests.component.webhooks.conftest import Platform
from tests.fixtures.patience import PATIENCE

GB = 10**9


def life(iccid: str, assignment_id: str, began: datetime) -> list[pb.ProviderEvent]:
    """All events of one eSIM from its activation code to its deletion, each with its time of reception.

    `began` is the time of its assignment: no bundle starts before that, or after the callback about it.
    """

    def at(seconds: int) -> Timestamp:
        stamp = timestamps.to_proto(began + timedelta(seconds=seconds))
        assert stamp is not None
        return stamp

    def use(remaining: int, known: str) -> pb.BundleUse:
        return pb.BundleUse(
            assignment_id=known,
            name=BUNDLE,
            initial_bytes=GB,
            remaining_bytes=remaining,
            start_date=at(10),
            end_date=at(10_000),
        )

    changes: list[dict[str, Any]] = [
        {"code_assigned": pb.CodeAssigned(activation_code="LPA:1$a.example$ONE", date=at(1))},
        {"profile_changed": pb.ProfileChanged(profile_status="Downloaded", date=at(2))},
        {"profile_changed": pb.ProfileChanged(profile_status="Installed", date=at(3))},
        {"activated": pb.Activated(date=at(4))},
        {"country_seen": pb.CountrySeen(code="FR", name="France")},
        {"bundle_use": use(GB, "")},
        {"bundle_use": use(GB // 2, assignment_id)},
        {"country_seen": pb.CountrySeen(code="ES", name="Spain")},
        {"number_enabled": pb.NumberEnabled(msisdn="4477")},
        {"bundle_activated": pb.BundleActivated(name=BUNDLE, start_date=at(10))},
        {"bundle_use": use(GB // 5, "")},
        {"number_disabled": pb.NumberDisabled(msisdn="4477")},
        {"message_failed": pb.MessageFailed(date=at(20))},
        {"bundle_use": use(0, assignment_id)},
        {"bundle_expired": pb.BundleExpired(name=BUNDLE)},
        {"deletion_scheduled": pb.DeletionScheduled(announced_date=at(30))},
        {"deleted": pb.Deleted()},
    ]
    now = datetime.now(UTC)
    return [
        pb.ProviderEvent(
            event_id=f"00000000-0000-4000-8000-{number:012}",
            iccid=iccid,
            # After a refresh, as otherwise each event would request one.
            received_at=timestamps.to_proto(now + timedelta(seconds=number)),
            **change,
        )
        for number, change in enumerate(changes, 1)
    ]


SEEN = (
    "status", "provider_state", "matching_id", "smdp_address", "activated_at", "last_country",
    "profile_status", "msisdn", "message_failed_at", "deletion_announced_at", "assigned_date",
)  # fmt: skip
OF_BUNDLE = ("name", "state", "initial_bytes", "remaining_bytes", "started_at", "ends_at")


async def state_after(platform: Platform, seed: int | None, began: datetime) -> tuple[Any, Any]:
    esim = await platform.esim()
    await platform.read(esim)
    (known,) = await platform.bundles(esim)
    # The provider does not know of this life: a refresh would end it.
    silent = {"path": "/esims/*", "status": 403, "count": 0}
    await platform.provider.control("POST", "/faults", silent)
    events = life(esim.iccid, known["assignment_id"], began)
    if seed is not None:
        rng = random.Random(seed)
        events += rng.sample(events, 6)
        rng.shuffle(events)
    for start in range(0, len(events), 4):
        await rpc_client.call(
            platform.stub.ApplyEvents,
            pb.ApplyEventsRequest(events=events[start : start + 4]),
            token=platform.auth.service_role_key,
            timeout=PATIENCE,
        )
    row = await platform.row(esim)
    bundles = await platform.bundles(esim)
    return [row[name] for name in SEEN], [[b[name] for name in OF_BUNDLE] for b in bundles]


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_with_repeats_leads_to_the_same_state(
    platform: Platform, seed: int
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    expected = await state_after(platform, None, began)
    await platform.provider.control("DELETE", "/faults")
    assert expected[0][0] == "CANCELLED"
    assert expected[1] == [
        [BUNDLE, "expired", GB, 0, began + timedelta(seconds=10), began + timedelta(seconds=10_000)]
    ]
    assert await state_after(platform, seed, began) == expected
