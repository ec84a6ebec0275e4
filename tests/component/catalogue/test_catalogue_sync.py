"""Syncing the provider's catalogue: what changes, what must not, and one sync at a time."""

import asyncio
import logging

import grpc
import pytest

from tests.component.catalogue.conftest import EIGHT, NAMES, OpenShop
from tests.component.catalogue.market import on_sale
from tests.fixtures.rpc.health import SERVING, health

# Three bundles a page regardless of the requested size; pages hold a thousand otherwise.
SHORT_PAGES = {"catalogue_page_most": 3}


async def test_a_second_sync_changes_nothing(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        before = await shop.plans()
        status = await shop.sync()
        assert (status.plan_count, status.added, status.changed, status.withdrawn) == (8, 0, 0, 0)
        assert await shop.plans() == before


async def test_only_a_changed_plan_is_marked_as_updated(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        before = {plan.name: plan for plan in await shop.plans()}
        await shop.control_sandbox("catalogue/price", name="esim_c", price=9.125)
        assert (await shop.sync()).changed == 1
        for plan in await shop.plans():
            assert (plan != before[plan.name]) == (plan.name == "esim_c")
        changed = await shop.plan("esim_c")
        assert (changed.price.units, changed.price.nanos) == (9, 125_000_000)
        assert changed.updated_at.ToDatetime() > before["esim_c"].updated_at.ToDatetime()


async def test_a_withdrawn_plan_stays_readable_and_can_return(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        await shop.control_sandbox("catalogue/withdraw", name="esim_a")
        assert (await shop.sync()).withdrawn == 1
        gone = await shop.plan("esim_a")
        assert (gone.withdrawn, gone.available_quantity) == (True, 0)
        assert await on_sale(shop) == NAMES[1:]
        assert (await shop.sync()).withdrawn == 0  # counted only once

        await shop.control_sandbox("catalogue/add", **EIGHT[0])
        status = await shop.sync()
        assert (status.added, status.changed) == (0, 1)
        assert (await shop.plan("esim_a")).available_quantity == 10
        assert await on_sale(shop) == NAMES


@pytest.mark.parametrize("shape", ["object", "array"])
async def test_both_record_formats_are_read_despite_short_pages(
    open_shop: OpenShop, shape: str
) -> None:
    async with open_shop(EIGHT, switches={**SHORT_PAGES, "catalogue_shape": shape}) as shop:
        assert await on_sale(shop) == NAMES


async def test_smaller_pages_are_requested_if_the_provider_refuses_large_ones(
    open_shop: OpenShop,
) -> None:
    refused = {"method": "GET", "path": "/catalogue", "status": 401, "body": {"message": "no"}}
    async with open_shop(EIGHT, fault=refused) as shop:
        assert await on_sale(shop) == NAMES


async def test_a_failed_page_changes_nothing(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT, switches=SHORT_PAGES) as shop:
        before = await shop.plans()
        await shop.control_sandbox("catalogue/price", name="esim_a", price=50)
        await shop.control_sandbox("catalogue/withdraw", name="esim_h")
        await shop.control_sandbox("faults", path="/catalogue", status=403, skip=1, count=1)
        status = await shop.sync()
        assert "provider" in status.error
        assert await shop.plans() == before

        current = await shop.status()
        assert current.last.error == status.error
        assert current.last_success.plan_count == 8
        assert not current.running
        assert (await shop.sync()).withdrawn == 1


@pytest.mark.parametrize("left", [[], NAMES[:3]], ids=["empty", "under half"])
async def test_a_catalogue_that_lost_most_plans_is_refused(
    open_shop: OpenShop, left: list[str]
) -> None:
    async with open_shop(EIGHT) as shop:
        for name in set(NAMES) - set(left):
            await shop.control_sandbox("catalogue/withdraw", name=name)
        status = await shop.sync()
        assert f"from 8 plans to {len(left)}" in status.error
        assert "CATALOGUE_ALLOW_SHRINK" in status.error
        assert await on_sale(shop) == NAMES


async def test_half_of_the_plans_may_be_withdrawn_at_once(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        for name in NAMES[4:]:
            await shop.control_sandbox("catalogue/withdraw", name=name)
        assert (await shop.sync()).withdrawn == 4


async def test_a_shrunk_catalogue_is_accepted_when_allowed(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT, allow_shrink=True) as shop:
        for name in NAMES:
            await shop.control_sandbox("catalogue/withdraw", name=name)
        status = await shop.sync()
        assert (status.error, status.withdrawn) == ("", 8)
        assert await on_sale(shop) == []


async def test_a_bundle_without_a_price_fails_the_sync_with_a_message(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        broken = {"bundles": [{**EIGHT[0], "price": "1.50"}]}
        await shop.control_sandbox("faults", path="/catalogue", status=200, body=broken)
        assert "bundle esim_a has no price" in (await shop.sync()).error
        assert await on_sale(shop) == NAMES


async def test_the_service_answers_while_the_provider_is_unavailable(open_shop: OpenShop) -> None:
    away = {"path": "*", "status": 400, "count": 0}
    async with open_shop(EIGHT, read=False, fault=away) as shop:
        assert (await shop.sync()).error != ""
        assert await on_sale(shop) == []
        assert await shop.plans(country="Xanadu") == []  # no catalogue has been read yet
        async with grpc.aio.insecure_channel(f"127.0.0.1:{shop.port}") as channel:
            assert await health(channel) == SERVING
        assert not (await shop.status()).HasField("last_success")

        async with shop.auth.http.delete(f"{shop.control_url}/faults") as removed:
            assert removed.status == 200
        while (await shop.sync()).error:
            pass  # joined a sync that the service had already started
        assert await on_sale(shop) == NAMES


async def test_a_failed_sync_is_logged_and_retried(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    refused = {"path": "/organisation", "status": 400, "count": 1}
    async with open_shop(EIGHT, read=False, fault=refused) as shop:
        while (
            "catalogue refreshed: 8 plans" not in caplog.text
        ):  # after the retry pause, without a request
            await asyncio.sleep(0.05)
        first = await shop.databases.admin.fetchval(
            "select error from catalogue.sync_runs order by started_at"
        )
    assert first.endswith("(GET /organisation answered 400).")
    assert f"catalogue refresh failed: {first}" in caplog.text
    assert "Retrying in 5 s." in caplog.text


async def test_changes_arrive_automatically(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT, sync_seconds=0.5) as shop:
        await shop.control_sandbox("catalogue/price", name="esim_a", price=50)
        while (await shop.plan("esim_a")).price.units != 50:
            await asyncio.sleep(0.05)


async def test_the_organization_details_are_neither_stored_nor_logged(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_shop(EIGHT) as shop:
        rows = await shop.databases.admin.fetch("select * from catalogue.sync_runs")
        text = caplog.text + str(rows)
    assert "owner@sandbox.example" not in text
    assert "sandbox-api-key" not in text


async def test_old_results_are_deleted_and_recent_ones_remain(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        await shop.databases.admin.execute(
            "insert into catalogue.sync_runs (started_at, finished_at)"
            " values (now() - interval '91 days', now()), (now() - interval '89 days', now())"
        )
        await shop.sync()
        ages = await shop.databases.admin.fetch(
            "select (now() - started_at) > interval '80 days' as old from catalogue.sync_runs"
        )
        assert sum(row["old"] for row in ages) == 1
