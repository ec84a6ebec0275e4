"""Only one sync runs at a time, across followers, replicas, cancelled callers and stopped processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.__main__ import serve
from tests.component.catalogue.conftest import EIGHT, NAMES, OpenShop, Shop
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Serving


@asynccontextmanager
async def blocked_writes(databases: Databases) -> AsyncIterator[None]:
    async with databases.admin.transaction():
        await databases.admin.execute("lock table catalogue.data_plans in exclusive mode")
        yield


@asynccontextmanager
async def held_before_writing(
    open_shop: OpenShop, databases: Databases
) -> AsyncIterator[tuple[Shop, AsyncExitStack]]:
    """Open a shop in which a sync must wait with what it has read until the stack is closed."""
    async with AsyncExitStack() as held:
        await held.enter_async_context(blocked_writes(databases))
        async with open_shop(EIGHT, read=False) as shop:
            yield shop, held


async def test_a_second_caller_follows_the_running_sync(
    open_shop: OpenShop, databases: Databases
) -> None:
    async with held_before_writing(open_shop, databases) as (shop, held):
        streams = [shop.follow(), shop.follow()]
        for stream in streams:
            assert not (await anext(stream)).done
        await held.aclose()
        first, second = [[message async for message in stream][-1] for stream in streams]
        assert first == second
        assert first.status.added == 8
        assert await databases.admin.fetchval("select count(*) from catalogue.sync_runs") == 1


async def test_two_replicas_sync_one_at_a_time(
    open_shop: OpenShop, databases: Databases, serving: Serving
) -> None:
    async with (
        held_before_writing(open_shop, databases) as (shop, held),
        serving(serve, shop.settings) as port,
        rpc_client.channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = type(shop.stub)(channel)
        streams = [shop.follow(), replace(shop, stub=stub).follow()]
        for stream in streams:
            assert not (await anext(stream)).done
        await held.aclose()
        mine, theirs = [[message async for message in stream][-1] for stream in streams]
        assert mine == theirs
        assert mine.status.added == 8


async def test_progress_is_reported_during_a_sync(
    open_shop: OpenShop, databases: Databases
) -> None:
    async with held_before_writing(open_shop, databases) as (shop, held):
        stream = shop.follow()
        while (message := await anext(stream)).read == 0:
            assert not message.done
        assert (message.read, message.expected, message.done) == (8, 8, False)
        await held.aclose()
        last = [message async for message in stream][-1]
        assert (last.read, last.expected, last.done) == (8, 8, True)


async def test_a_caller_that_leaves_does_not_end_the_sync(
    open_shop: OpenShop, databases: Databases
) -> None:
    async with held_before_writing(open_shop, databases) as (shop, held):
        metadata = (("authorization", f"Bearer {shop.auth.service_role_key}"),)
        call = shop.stub.SyncCatalogue(pb.SyncCatalogueRequest(), metadata=metadata)
        await call.read()
        stays = shop.follow()
        await anext(stays)
        call.cancel()
        await held.aclose()
        assert [message async for message in stays][-1].status.added == 8


async def test_a_sync_treated_as_dead_writes_nothing(
    open_shop: OpenShop, databases: Databases
) -> None:
    async with open_shop(EIGHT) as shop:
        before = await shop.plans()
        await shop.control_sandbox("catalogue/price", name="esim_a", price=50)
        async with blocked_writes(databases):
            stream = shop.follow()
            while (await anext(stream)).read == 0:
                pass
            await databases.admin.execute(
                "update catalogue.sync_runs set finished_at = now(), error = 'taken for dead'"
                " where finished_at is null"
            )
        assert [message async for message in stream][-1].status.error == "taken for dead"
        assert await shop.plans() == before
        assert (await shop.sync()).changed == 1


async def test_a_stopped_sync_leaves_the_plans_unchanged_and_is_reported(
    open_shop: OpenShop, serving: Serving
) -> None:
    hang = {"path": "/catalogue", "delay_seconds": 60, "count": 1}
    async with open_shop(EIGHT) as shop:
        await shop.control_sandbox("faults", **hang)
        async with serving(serve, shop.settings):
            while not (await shop.status()).running:
                await asyncio.sleep(0.01)
        current = await shop.status()
        assert (current.last.error, current.running) == (
            "The service stopped before the refresh was finished.",
            False,
        )
        assert [plan.name for plan in await shop.plans()] == NAMES


async def test_a_sync_whose_process_died_is_ended_by_the_next(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        dead = await shop.databases.admin.fetchval(
            "insert into catalogue.sync_runs (started_at, seen_at)"
            " values (now() - interval '1 minute', now() - interval '30 seconds') returning id"
        )
        assert not (await shop.status()).running
        assert (await shop.sync()).plan_count == 8
        error = await shop.databases.admin.fetchval(
            "select error from catalogue.sync_runs where id = $1", dead
        )
        assert error == "The process that ran it ended before it was done."
