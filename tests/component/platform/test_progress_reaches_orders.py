"""Installations and first uses of eSIMs reach the orders service, whichever process is down meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import grpc
import pytest

import services.esims.__main__
from kit.changes.deletion import Deletion
from kit.changes.reader import Reader
from protos.orders.v1 import reports_pb2 as pb
from protos.orders.v1 import reports_pb2_grpc
from services.esims.settings import Settings as ESIMsSettings
from services.orders.reports.progress import ESIMProgress
from tests.component.orders.reports.reporting import reporting, today
from tests.component.orders.shop import Shop, shop
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.settings import service_settings

__all__ = ["shop"]

# The funnel is that of today.
pytestmark = pytest.mark.usefixtures("one_day")
INSTALL = "update esims.esims set installed_at = coalesce(installed_at, now()) where iccid = $1"
FOLLOWED = """
select count(*) = $1 from orders.esim_progress where installed_at is not null
"""
REGISTER = """
insert into esims.esims (
    order_id, plan_id, customer_id, order_reference, bundle_name, customer_ref, auto_activate, iccid,
    matching_id, smdp_address, status, installed_at
)
select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'R', 'esim_1', '', false,
    (8944000000000000000 + n)::text, 'M', 'smdp.example', 'ASSIGNED',
    case when n % 2 = 0 then timestamptz '2026-01-01 12:00Z' end
from generate_series(1, $1::int) n
"""
TOUCH = "update esims.esims set status = 'ACTIVE' where status = 'ASSIGNED'"
COMPLETE = "select complete_at is not null from orders.change_cursors"
SAME = """
select count(*) from esims.esims e join orders.esim_progress p on p.esim_id = e.id
where p.order_id = e.order_id and p.installed_at is not distinct from e.installed_at
"""
INSTALLED = "select count(*) from orders.esim_progress where installed_at is not null"
AGE = "update esims.outbox set at = at - interval '40 days'"


async def funnel(platform: Platform) -> pb.GetFunnelResponse:
    token = await platform.auth.token("fay@example.com", role="finance")
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        stub: Any = reports_pb2_grpc.ReportsServiceStub(channel)
        answer: pb.GetFunnelResponse = await stub.GetFunnel(
            pb.GetFunnelRequest(range=today()), metadata=(("authorization", f"Bearer {token}"),)
        )
        return answer


async def test_an_installed_esim_is_in_the_funnel(platform: Platform, databases: Databases) -> None:
    customer = await platform.customer("ann@example.com")
    order = await platform.buy(customer, quantity=2)
    await databases.until("select count(*) = 2 from orders.esim_progress")
    before = await funnel(platform)
    assert (before.delivered.esims, before.installed.esims) == (2, 0)
    await databases.admin.execute(INSTALL, order["esims"][0]["iccid"])
    await databases.until(FOLLOWED, 1)
    after = await funnel(platform)
    assert (after.installed.orders, after.installed.esims) == (1, 1)
    assert after.HasField("progress_as_of")
    assert after.progress_as_of.ToDatetime() <= after.as_of.ToDatetime()


def esims_service(shop: Shop) -> Callable[[], AbstractAsyncContextManager[int]]:
    """Return how to run the esims service, each time at the same port."""
    (port,) = free_ports(1)
    settings = ESIMsSettings(
        service_settings(shop.databases, shop.auth, "esims", port=port),
        shop.settings.provider,
        read_wait=PATIENCE,
    )
    return partial(shop.serving, services.esims.__main__.serve, settings)


async def test_a_new_follower_learns_of_all_esims_though_old_changes_are_deleted(
    shop: Shop,
) -> None:
    admin, number = shop.databases.admin, 1_203
    await admin.execute(REGISTER, number)
    await admin.execute(TOUCH)
    assert await admin.fetchval("select count(*) from esims.outbox") == 2 * number
    await admin.execute(AGE)
    async with shop.databases.open("esims") as database:
        stop = asyncio.Event()
        await Deletion(database, "esims", days=30, keep_newest=("esim",), stop=stop).run()
    assert await admin.fetchval("select count(*) from esims.outbox") == number
    async with (
        shop.databases.open("orders") as database,
        esims_service(shop)() as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        progress = ESIMProgress(database)
        reader = Reader("esims", channel, shop.auth.service_role_key, progress, asyncio.Event())
        # A reader that was offline for longer than changes are stored, and one that never read any.
        for cursor in ("1.1", ""):
            await admin.execute("truncate orders.esim_progress, orders.change_cursors")
            await progress.apply((), cursor)
            await admin.execute("update orders.change_cursors set complete_at = null")
            while not await admin.fetchval(COMPLETE):
                await reader.round()
            assert await admin.fetchval(SAME) == number
    assert await admin.fetchval(INSTALLED) == number // 2


async def test_either_process_may_start_first_and_be_unavailable_for_a_while(shop: Shop) -> None:
    admin, until = shop.databases.admin, shop.databases.until
    serve_esims = esims_service(shop)
    followed = "select count(*) = $1 from orders.esim_progress where version >= $2"
    async with serve_esims() as port:
        address = f"127.0.0.1:{port}"
    async with reporting(shop, esims_address=address) as shown:
        # Orders alone: reports are there, and say that they don't know.
        wanted = pb.GetFunnelRequest(range=today())
        alone = await shown.reports.GetFunnel(wanted, metadata=shown.finance)
        assert not alone.HasField("progress_as_of")
        await admin.execute(REGISTER, 3)
        async with serve_esims():
            await until(followed, 3, 0)
        last = await admin.fetchval("select max(version) from orders.esim_progress")
        await admin.execute(TOUCH)
        async with serve_esims():
            await until(followed, 3, last + 1)
    async with serve_esims():
        # Without the orders service.
        await admin.execute("update esims.esims set installed_at = now()")
        async with reporting(shop, esims_address=address):
            await until(FOLLOWED, 3)
