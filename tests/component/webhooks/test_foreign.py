"""Callbacks about eSIMs that were not sold here: a known outcome without an alert, and never lost."""

import re
from datetime import timedelta

import pytest

from protos.webhooks.v1 import webhooks_pb2 as pb
from tests.component.webhooks.conftest import OpenESIMs, Platform, ServeESIMs, ServeWebhooks
from tests.component.webhooks.operating import STRANGE, ask, attached, esimgo, measured
from tests.fixtures.wrong_clock import SetAhead


async def test_a_foreign_event_is_counted_separately_and_raises_no_alert(
    platform: Platform,
) -> None:
    event = await platform.post.send(attached(STRANGE))
    unknown = await platform.post.send({"event": "brand.new"})
    await platform.post.settled(event, "KEPT")
    gauges = await measured(platform)
    states = {
        s: gauges["esimgo_webhooks_events", s] for s in ("PENDING", "DEAD", "KEPT", "FOREIGN")
    }
    assert states == {"PENDING": 0, "DEAD": 0, "KEPT": 1, "FOREIGN": 1}
    assert gauges["esimgo_webhooks_oldest_pending_seconds", ""] == 0
    stats = await esimgo(platform, "stats")
    assert re.search(r"type +pending +delivered +dead +kept +foreign\n", stats)
    assert re.search(r"FirstAttachment +0 +0 +0 +0 +1\n", stats)
    assert re.search(r"unknown +0 +0 +0 +1 +0\n", stats)
    foreign = await esimgo(platform, "list", "--state", "foreign")
    kept = await esimgo(platform, "list", "--state", "kept")
    assert event in foreign
    assert "foreign (3 attempts)  UNKNOWN_ESIM" in foreign
    assert unknown not in foreign
    assert unknown in kept
    assert event not in kept


async def test_an_esim_that_becomes_known_receives_its_foreign_events(platform: Platform) -> None:
    esim = await platform.esim()
    admin = platform.databases.admin
    await admin.execute("update esims.esims set iccid = $1", STRANGE)
    event = await platform.post.send(attached(esim.iccid))
    foreign = await platform.post.settled(event, "KEPT")
    # Retries of a foreign event count no attempt.
    tried = await platform.post.until(
        event, lambda row: row["next_attempt_at"] > foreign["next_attempt_at"]
    )
    assert (tried["attempts"], tried["settled_at"]) == (3, foreign["settled_at"])
    await admin.execute("update esims.esims set iccid = $1", esim.iccid)
    assert (await platform.post.settled(event))["outcome"] == "APPLIED"
    assert (await platform.row(esim))["status"] == "ACTIVE"


async def test_old_foreign_events_are_retried_once_a_day(platform: Platform) -> None:
    admin = platform.databases.admin
    event = await platform.post.send(attached(STRANGE))
    await platform.post.settled(event, "KEPT")
    await admin.execute("update webhooks.inbox set received_at = received_at - interval '80 days'")
    await admin.execute("update webhooks.deliveries set next_attempt_at = now()")
    row = await platform.post.until(
        event, lambda row: row["next_attempt_at"] > row["updated_at"] + timedelta(minutes=1)
    )
    assert row["next_attempt_at"] == row["updated_at"] + timedelta(days=1)


async def test_the_first_known_event_of_an_esim_releases_its_foreign_events(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    admin = platform.databases.admin
    await admin.execute("update esims.esims set iccid = $1", STRANGE)
    event = await platform.post.send(attached(esim.iccid))
    await platform.post.settled(event, "KEPT")
    await admin.execute(
        "update webhooks.deliveries set next_attempt_at = now() + interval '1 hour'"
    )
    await admin.execute("update esims.esims set iccid = $1", esim.iccid)
    country = {"alertType": "CountryChange", "iccid": esim.iccid, "country": {"code": "FR"}}
    await platform.post.deliver(country)
    assert (await platform.post.settled(event))["outcome"] == "APPLIED"


@pytest.mark.parametrize(("seconds", "state"), [(0, "KEPT"), (240, "PENDING")])
async def test_an_event_is_foreign_after_a_short_wait_regardless_of_attempts(
    serve_esims: ServeESIMs, serve_webhooks: ServeWebhooks, seconds: float, state: str
) -> None:
    async with (
        serve_esims() as esims,
        serve_webhooks(
            max_attempts=12, foreign_seconds=seconds, esims_address=f"127.0.0.1:{esims}"
        ) as post,
    ):
        event = await post.send(attached(STRANGE))
        # On a slow machine, a pending one may have been tried again.
        row = await post.until(event, lambda row: row["attempts"] > 0)
        assert row["state"] == state
        assert row["attempts"] == 1 or state == "PENDING"


async def test_foreign_events_can_be_replayed_by_state(platform: Platform) -> None:
    admin = await platform.auth.token("root@example.com", admin=True)
    event = await platform.post.send(attached(STRANGE))
    await platform.post.settled(event, "KEPT")
    for state, count in ((pb.DELIVERY_STATE_KEPT, 0), (pb.DELIVERY_STATE_FOREIGN, 1)):
        request = pb.ReplayEventsRequest(filter=pb.EventFilter(states=[state]))
        answer = await ask(platform, "ReplayEvents", request, admin)
        assert (answer.replayed, answer.not_understood) == (count, 0)


async def test_an_unknown_esim_is_not_foreign_early_by_a_wrong_clock(
    open_esims: OpenESIMs, serve_webhooks: ServeWebhooks, set_ahead: SetAhead
) -> None:
    set_ahead(timedelta(minutes=10))
    async with (
        open_esims() as (_, port),
        # Shorter than the clock is ahead, and with more attempts than a slow machine may see at once.
        serve_webhooks(
            esims_address=f"127.0.0.1:{port}", foreign_seconds=300, max_attempts=100
        ) as post,
    ):
        event = await post.send(attached(STRANGE))
        row = await post.until(event, lambda row: row["attempts"] >= 1)
    assert row["state"] == "PENDING"
