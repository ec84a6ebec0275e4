"""Notifications of PostgreSQL: who receives what, once each, and what follows a lost connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kit.db.notify import Notifications
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

CHANNEL = "esimgo_test"
LISTENERS = "select pid from pg_stat_activity where application_name = $1"


@pytest.fixture
async def notifications(databases: Databases) -> AsyncIterator[Notifications]:
    async with Notifications.open(databases.url("orders"), CHANNEL) as made:
        with made.subscribe(["x"]) as listener:
            await listener.changes()  # that it listens now is told as "anything"
        yield made


async def notify(databases: Databases, *payloads: str) -> None:
    async with databases.admin.transaction():
        for payload in payloads:
            await databases.admin.execute("select pg_notify($1, $2)", CHANNEL, payload)


async def test_who_listens_for_any_id_of_a_notice_hears_its_first(
    databases: Databases, notifications: Notifications
) -> None:
    with (
        notifications.subscribe(["a"]) as of_a,
        notifications.subscribe(["b"]) as of_b,
        notifications.subscribe(["z"]) as of_z,
    ):
        await notify(databases, "a z", "b z", "b z", "c y")
        assert await of_a.changes() == ["a"]
        assert await of_b.changes() == ["b"]
        assert await of_z.changes() == ["a", "b"]


async def test_what_was_heard_is_not_heard_again(
    databases: Databases, notifications: Notifications
) -> None:
    with notifications.subscribe(["a"]) as listener:
        await notify(databases, "a")
        assert await listener.changes() == ["a"]
        again = asyncio.create_task(listener.changes())
        await notify(databases, "b")
        await notify(databases, "a")
        assert await again == ["a"]


async def test_after_a_lost_connection_anything_may_have_changed(
    databases: Databases, notifications: Notifications
) -> None:
    with notifications.subscribe(["a"]) as listener:
        pid = await databases.admin.fetchval(LISTENERS, f"{CHANNEL} listener")
        await databases.admin.execute("select pg_terminate_backend($1)", pid)
        assert await listener.changes() is None
        await notify(databases, "a")
        assert await listener.changes() == ["a"]


async def test_listening_takes_one_connection_and_gives_it_back(databases: Databases) -> None:
    name = f"{CHANNEL} listener"
    async with Notifications.open(databases.url("orders"), CHANNEL) as notifications:
        with notifications.subscribe(["a"]) as one, notifications.subscribe(["b"]) as other:
            assert (await one.changes(), await other.changes()) == (None, None)
            assert len(await databases.admin.fetch(LISTENERS, name)) == 1
    async with asyncio.timeout(PATIENCE):
        while await databases.admin.fetch(LISTENERS, name):
            await asyncio.sleep(0.01)


async def test_a_server_that_is_away_is_awaited(databases: Databases) -> None:
    url = databases.url("orders")
    nowhere = url.replace(f"/{databases.name}?", f"/{databases.name}_later?")
    async with Notifications.open(nowhere, CHANNEL) as notifications:
        with notifications.subscribe(["a"]) as listener:
            hearing = asyncio.create_task(listener.changes())
            await databases.admin.execute(f"create database {databases.name}_later")
            try:
                async with asyncio.timeout(PATIENCE):
                    assert await hearing is None
            finally:
                await databases.admin.execute(f"drop database {databases.name}_later with (force)")
