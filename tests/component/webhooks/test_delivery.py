"""Delivery of events to their services through outages, failures and process ends."""

import asyncio
import json
from typing import Any

import pytest

from tests.component.webhooks.conftest import OpenESIMs, Platform, ServeESIMs, ServeWebhooks
from tests.fixtures.postgres import Databases
from webhooks.callback import Owner
from webhooks.delivery_store import claim
from webhooks.metrics import Metrics
from webhooks.upkeep import Upkeep

STRANGE = "8944500000000000001"
LOW = {"alertType": "LowBalance", "balanceInfo": {"balance": 5, "threshold": 100}}


def attached(iccid: str) -> dict[str, str]:
    return {"alertType": "FirstAttachment", "iccid": iccid}


async def test_an_unavailable_service_delays_events_without_counting_attempts(
    open_esims: OpenESIMs, serve_esims: ServeESIMs, serve_webhooks: ServeWebhooks
) -> None:
    async with open_esims() as (platform, esims):
        esim = await platform.esim()
    async with serve_webhooks(esims_address=f"127.0.0.1:{esims}", max_attempts=1) as post:
        waiting = [await post.send(attached(esim.iccid) | {"n": str(n)}) for n in range(5)]
        updates = set()

        def several_rounds(row: Any) -> bool:
            """Each round without a listener claims and releases the first event."""
            updates.add(row["updated_at"])
            return len(updates) > 3

        await post.until(waiting[0], several_rounds)
        for event in waiting:
            row = await post.delivery(event)
            assert (row["state"], row["attempts"]) == ("PENDING", 0)
        async with serve_esims(port=esims):
            for event in waiting:
                assert (await post.settled(event))["attempts"] == 1


async def test_an_unavailable_owner_does_not_delay_events_of_other_owners(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    low = await platform.post.send(LOW)  # no process listens at the address of orders
    await platform.post.deliver(attached(esim.iccid))
    assert (await platform.post.delivery(low))["state"] == "PENDING"


async def test_an_event_about_an_unknown_esim_is_retried_and_then_stored_as_foreign(
    platform: Platform,
) -> None:
    event = await platform.post.send(attached(STRANGE))
    row = await platform.post.settled(event, "KEPT")
    assert (row["attempts"], row["last_error"]) == (3, "UNKNOWN_ESIM")


async def test_an_esim_that_is_registered_late_receives_its_event(platform: Platform) -> None:
    esim = await platform.esim()
    await platform.databases.admin.execute("update esims.esims set iccid = $1", STRANGE)
    event = await platform.post.send(attached(esim.iccid))
    await platform.post.until(event, lambda row: row["attempts"] > 0)
    await platform.databases.admin.execute("update esims.esims set iccid = $1", esim.iccid)
    assert (await platform.post.settled(event))["outcome"] == "APPLIED"


async def test_events_leased_by_a_dead_process_become_due_again(platform: Platform) -> None:
    esim = await platform.esim()
    # As the lease of a replica that died during its call.
    taken = await platform.databases.admin.fetchrow(
        """with stored as (
             insert into webhooks.inbox (digest, body, headers, event_type, signed)
             values (sha256($1), $1, '{}', 'FirstAttachment', true) returning id)
           insert into webhooks.deliveries (event_id, owner, state, next_attempt_at)
           select id, 'esims', 'PENDING', now() + interval '1 second' from stored
           returning event_id, next_attempt_at""",
        json.dumps(attached(esim.iccid)).encode(),
    )
    assert taken is not None
    row = await platform.post.settled(str(taken["event_id"]))
    assert row["settled_at"] >= taken["next_attempt_at"]


async def test_two_replicas_never_lease_the_same_event(
    databases: Databases, serve_webhooks: ServeWebhooks
) -> None:
    async with serve_webhooks() as post:
        for n in range(20):
            await post.send(LOW | {"n": n})
    await databases.admin.execute("update webhooks.deliveries set next_attempt_at = now()")
    async with (
        databases.open("webhooks") as database,
        database.system() as one,
        database.system() as other,
    ):
        mine = {due.id for due in await claim(one, Owner.ORDERS, 8, 30)}
        others = {due.id for due in await claim(other, Owner.ORDERS, 50, 30)}
    assert (len(mine), len(others), mine & others) == (8, 12, set())


async def test_old_events_are_deleted_except_dead_letters(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    old = await platform.post.deliver(attached(esim.iccid))
    young = await platform.post.deliver(attached(esim.iccid) | {"n": "2"})
    kept = await platform.post.settled(await platform.post.send({"event": "new"}), "KEPT")
    dead = await platform.post.deliver(attached(esim.iccid) | {"n": "3"})
    await platform.databases.admin.execute(
        "update webhooks.deliveries set settled_at = now() - interval '91 days'"
        " where event_id = any($1::uuid[])",
        [old["event_id"], kept["event_id"], dead["event_id"]],
    )
    await platform.databases.admin.execute(
        "update webhooks.deliveries set state = 'DEAD' where event_id = $1", dead["event_id"]
    )
    stop = asyncio.Event()
    async with platform.databases.open("webhooks") as database:
        assert await Upkeep(database, Metrics(), retention_days=90, stop=stop).prune() == 2
    left = await platform.databases.admin.fetch("select id from webhooks.inbox")
    assert {row["id"] for row in left} == {young["event_id"], dead["event_id"]}


async def test_a_stall_is_logged_when_it_begins_and_when_it_ends(
    serve_webhooks: ServeWebhooks, databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    # A running process would measure too.
    async with serve_webhooks() as post:
        low = await post.send(LOW)  # no process listens at the address of orders
    admin = databases.admin
    await admin.execute("update webhooks.deliveries set created_at = now() - interval '6 minutes'")
    async with databases.open("webhooks") as database:
        upkeep = Upkeep(database, Metrics(), retention_days=90, stop=asyncio.Event())
        for _ in range(3):
            await upkeep.measure()
        await admin.execute(
            "update webhooks.deliveries set state = 'DELIVERED', settled_at = now() where event_id = $1",
            low,
        )
        await upkeep.measure()
    began, ended = [line for line in caplog.messages if line.startswith("callbacks stall")]
    assert began.endswith("orders does not answer")
    assert ended.startswith("callbacks stall: over (3 times in")
