"""Background work: refreshing bundles, sending references, and finishing late provider calls."""

import asyncio
from datetime import timedelta

import pytest

from services.esims import bundle_store, reference_store
from services.esims.bundle import BundleState
from services.esims.esim import ESIM
from services.esims.snapshots import follow_store
from services.esims.snapshots.expire import BundleExpiry
from services.esims.snapshots.follow import FIRST_PAUSE, FOLLOWED_FOR, LEASE
from tests.component.esims.parts import Parts
from tests.component.esims.running import at_provider


async def test_an_esim_that_activates_on_delivery_is_polled_until_its_bundle_is_active(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver(auto_activate=True)
    parts.clock.stop()
    assert await parts.poller.poll() == 1
    assert await parts.poller.poll() == 0  # not due again yet
    assert await parts.status(esim.id) == "ASSIGNED"
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    parts.clock.ahead += FIRST_PAUSE
    assert await parts.poller.poll() == 1
    assert await parts.status(esim.id) == "ACTIVE"
    parts.clock.ahead += timedelta(days=6)
    assert await parts.poller.poll() == 0


async def test_a_bundle_expires_on_time_while_the_provider_is_unavailable(parts: Parts) -> None:
    ended, lasting = await parts.deliver(2)
    endings = BundleExpiry(parts.database, parts.clock)
    await parts.provider.control("POST", f"/esims/{ended.iccid}/use-data", {"megabytes": 1})
    await parts.fetcher.refresh_all([ended, lasting])
    fault = {"path": "/esims/*", "status": 500, "count": 0}
    await parts.provider.control("POST", "/faults", fault)
    parts.clock.ahead += timedelta(days=6, hours=23)
    assert await endings.expire() == 0
    parts.clock.ahead += timedelta(hours=2)
    assert await endings.expire() == 1
    assert await parts.status(ended.id) == "EXPIRED"
    assert await parts.status(lasting.id) == "ASSIGNED"
    async with parts.database.system() as connection:
        (bundle,) = await bundle_store.list_of_esims(connection, [ended.id])
    assert bundle.state is BundleState.EXPIRED
    assert await endings.expire() == 0


async def test_an_esim_that_fails_to_expire_does_not_block_others(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    esims = await parts.deliver(2)
    for esim in esims:
        await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await parts.fetcher.refresh_all(esims)
    broken, sound = sorted(esims, key=lambda esim: esim.id)
    await parts.databases.admin.execute(
        f"""create function fail() returns trigger language plpgsql as
        $$ begin if new.id = '{broken.id}' then raise exception 'a fault'; end if;
        return new; end $$"""
    )
    await parts.databases.admin.execute(
        "create trigger fail before update on esims.esims for each row execute function fail()"
    )
    parts.clock.ahead += timedelta(days=7, minutes=1)
    assert await BundleExpiry(parts.database, parts.clock).expire() == 1
    assert await parts.status(sound.id) == "EXPIRED"
    assert await parts.status(broken.id) == "ACTIVE"
    assert any(str(broken.id) in message for message in caplog.messages)


async def test_an_esim_is_polled_after_its_bundle_ends(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await parts.fetcher.refresh_all([esim])
    assert await parts.status(esim.id) == "ACTIVE"
    assert await parts.poller.poll() == 0
    parts.clock.ahead += timedelta(days=7, minutes=1)  # the bundle's duration
    assert await parts.poller.poll() == 1
    # By the provider's clock it isn't expired yet: the stored end decides.
    assert await parts.status(esim.id) == "EXPIRED"
    parts.clock.ahead += timedelta(days=400)
    assert await parts.poller.poll() == 0


async def test_an_esim_that_starts_at_first_use_is_not_polled(parts: Parts) -> None:
    await parts.deliver(auto_activate=False)
    assert await parts.poller.poll() == 0


async def test_a_poll_lost_in_a_crash_is_repeated_when_its_lease_ends(parts: Parts) -> None:
    (esim,) = await parts.deliver(auto_activate=True)
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    fault = {"path": "/esims/*", "delay_seconds": 60, "count": 2}
    await parts.provider.control("POST", "/faults", fault)
    polling = asyncio.create_task(parts.poller.poll())
    while await parts.databases.admin.fetchval("select max(follow_count) from esims.esims") == 0:
        await asyncio.sleep(0)  # until the refresh has started
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    await parts.fetcher.close()
    await parts.provider.control("DELETE", "/faults")
    assert await parts.poller.poll() == 0
    parts.clock.ahead += LEASE
    assert await parts.poller.poll() == 1
    assert await parts.status(esim.id) == "ACTIVE"


async def test_a_poll_scheduled_during_another_still_takes_place(parts: Parts) -> None:
    (esim,) = await parts.deliver(auto_activate=True)
    now = parts.clock.wall()
    async with parts.database.system() as connection:
        (due,) = await follow_store.claim_follows(connection, now, LEASE, 1)
        await follow_store.follow_soon(connection, [esim.id], now)
        await follow_store.schedule_follows(connection, [(due, None)], now)
    assert await parts.poller.poll() == 1


async def start_delayed_refresh(parts: Parts, esim: ESIM) -> None:
    """Start a refresh whose provider responses, taken before what follows, arrive a second later."""
    fault = {"path": "/esims/*", "effect": "done", "delay_seconds": 1, "count": 2}
    await parts.provider.control("POST", "/faults", fault)
    await parts.fetcher.refresh([esim], time_left=0)
    while (await parts.provider.control("GET", "/faults"))["faults"]:
        await asyncio.sleep(0)  # until both requests have arrived


async def test_a_poll_sees_changes_made_during_a_refresh_in_flight(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await start_delayed_refresh(parts, esim)
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    async with parts.database.system() as connection:
        await follow_store.follow_soon(connection, [esim.id], parts.clock.wall())
    assert await parts.poller.poll() == 1
    assert await parts.status(esim.id) == "ACTIVE"


async def test_a_forced_refresh_sees_changes_made_during_another_refresh(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver()
    await start_delayed_refresh(parts, esim)
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await parts.fetcher.refresh([esim], force=True)
    assert await parts.status(esim.id) == "ACTIVE"
    # The older response changes nothing when it arrives.
    while await parts.asked("/bundles") < 2:
        await asyncio.sleep(0)
    await parts.fetcher.refresh_all([esim])
    assert await parts.status(esim.id) == "ACTIVE"


async def test_two_replicas_share_the_polls(parts: Parts) -> None:
    await parts.deliver(quantity=4, auto_activate=True)
    polls = await asyncio.gather(parts.poller.poll(), parts.poller.poll())
    assert sum(polls) == 4
    assert await parts.asked("/bundles") == 4


async def test_unanswered_polls_back_off_and_end(parts: Parts) -> None:
    await parts.deliver(auto_activate=True)
    await parts.provider.control("POST", "/faults", {"path": "/esims/*", "status": 403, "count": 0})
    polls = 0
    step = timedelta(hours=6)
    for _ in range(FOLLOWED_FOR // step + 2):
        polls += await parts.poller.poll()
        parts.clock.ahead += step
    assert 300 < polls < 370
    assert await parts.databases.admin.fetchval("select follow_at from esims.esims") is None


async def test_a_poll_of_an_old_esim_without_an_answer_is_repeated(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await parts.databases.admin.execute(
        "update esims.esims set created_at = created_at - $1::interval", FOLLOWED_FOR
    )
    fault = {"path": "/esims/*", "status": 500, "count": 2}
    await parts.provider.control("POST", "/faults", fault)
    async with parts.database.system() as connection:
        await follow_store.follow_soon(connection, [esim.id], parts.clock.wall())
    assert await parts.poller.poll() == 1
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    parts.clock.ahead += FIRST_PAUSE
    assert await parts.poller.poll() == 1
    assert await parts.status(esim.id) == "ACTIVE"


@pytest.mark.parametrize("path", ["/esims/{iccid}/bundles", "/esims/{iccid}"])
async def test_a_poll_of_which_one_request_fails_is_repeated(parts: Parts, path: str) -> None:
    (esim,) = await parts.deliver()
    fault = {"path": path.format(iccid=esim.iccid), "status": 500}
    await parts.provider.control("POST", "/faults", fault)
    async with parts.database.system() as connection:
        await follow_store.follow_soon(connection, [esim.id], parts.clock.wall())
    assert await parts.poller.poll() == 1
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    parts.clock.ahead += FIRST_PAUSE
    assert await parts.poller.poll() == 1
    assert await parts.status(esim.id) == "ACTIVE"


async def test_a_bundle_that_does_not_lapse_is_polled_ever_less_often(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await parts.fetcher.refresh_all([esim])
    parts.clock.stop()
    parts.clock.ahead += timedelta(days=365, minutes=1)
    hours = []
    for _ in range(12):
        assert await parts.poller.poll() == 1
        due = await parts.databases.admin.fetchval("select follow_at from esims.esims")
        pause = due - parts.clock.wall()
        hours.append(round(pause / timedelta(hours=1)))
        parts.clock.ahead += pause
    assert hours == sorted(hours)
    assert (hours[0], hours[-1]) == (0, 24)


async def test_a_reference_that_came_with_the_order_is_sent_to_the_provider(parts: Parts) -> None:
    (esim,) = await parts.deliver(customer_ref="Rome")
    assert await parts.references.send_pending() == 1
    assert at_provider(parts.provider, esim.iccid).customer_ref == "Rome"
    parts.clock.ahead += timedelta(days=1)
    assert await parts.references.send_pending() == 0


async def test_a_reference_that_could_not_be_sent_is_sent_later(parts: Parts) -> None:
    (esim,) = await parts.deliver(customer_ref="Rome")
    parts.clock.stop()
    await parts.provider.control(
        "POST", "/faults", {"method": "PUT", "path": "/esims", "status": 500}
    )
    assert await parts.references.send_pending() == 1
    assert await parts.references.send_pending() == 0
    parts.clock.ahead += timedelta(minutes=1)
    assert await parts.references.send_pending() == 1
    assert at_provider(parts.provider, esim.iccid).customer_ref == "Rome"


async def test_a_reference_changed_during_sending_is_sent_again(parts: Parts) -> None:
    (esim,) = await parts.deliver(customer_ref="Rome")
    async with parts.database.system() as connection:
        (pending,) = await reference_store.claim(connection, parts.clock.wall(), LEASE, 1)
    await parts.databases.admin.execute("update esims.esims set customer_ref = 'Oslo'")
    async with parts.database.system() as connection:
        await reference_store.record_outcomes(connection, [(esim.id, pending.reference, None)])
    parts.clock.ahead += timedelta(seconds=1)
    assert await parts.references.send_pending() == 1
    assert at_provider(parts.provider, esim.iccid).customer_ref == "Oslo"


async def test_a_refused_reference_is_not_retried(parts: Parts) -> None:
    await parts.deliver(customer_ref="Rome")
    await parts.provider.control(
        "POST", "/faults", {"method": "PUT", "path": "/esims", "status": 400, "count": 0}
    )
    assert await parts.references.send_pending() == 1
    parts.clock.ahead += timedelta(days=30)
    assert await parts.references.send_pending() == 0


async def test_a_refresh_completes_once_after_its_caller_times_out(parts: Parts) -> None:
    esims = await parts.deliver(quantity=2)
    for esim in esims:
        await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await parts.fetcher.refresh(esims, time_left=0)
    # Callers without a deadline wait for the same refresh.
    await asyncio.gather(*(parts.fetcher.refresh(esims) for _ in range(5)))
    assert [await parts.status(esim.id) for esim in esims] == ["ACTIVE", "ACTIVE"]
    assert await parts.asked("/bundles") == 2


async def test_a_cancelled_caller_does_not_end_a_shared_refresh(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    first = asyncio.create_task(parts.fetcher.refresh([esim]))
    second = asyncio.create_task(parts.fetcher.refresh([esim]))
    await asyncio.sleep(0)  # both have started
    first.cancel()
    await second
    assert await parts.status(esim.id) == "ACTIVE"
    assert await parts.asked("/bundles") == 1


async def test_a_long_list_is_refreshed_within_the_rate_limit_and_each_esim_once(
    parts: Parts,
) -> None:
    # The provider delivers orders of more than five eSIMs later.
    esims = [esim for _ in range(6) for esim in await parts.deliver(quantity=5)]
    await parts.provider.control("POST", "/switches", {"tokens_per_second": 20})
    await parts.fetcher.refresh(esims, time_left=0.001)
    while await parts.databases.admin.fetchval(
        "select bool_or(bundles_read_at is null) from esims.esims"
    ):
        await parts.fetcher.refresh(esims)
    assert await parts.asked("/bundles") == len(esims)
    assert await parts.asked("/bundles", status=429) == 0
