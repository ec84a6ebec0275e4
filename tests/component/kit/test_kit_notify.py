"""Notifications of PostgreSQL: who receives what, once each, and what follows a lost connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.db import notify as kit_notify
from kit.db.notify import Notifications
from kit.telemetry import metrics
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.postgres import Databases

CHANNEL = "esimgo_test"
LISTENERS = "select pid from pg_stat_activity where application_name = $1"


@pytest.fixture
async def notifications(databases: Databases) -> AsyncIterator[Notifications]:
    async with Notifications.open(databases.url("orders"), CHANNEL) as made:
        with made.subscribe(["x"]) as listener:
            await listener.changes()  # None reports that the listener is connected
        yield made


async def notify(databases: Databases, *payloads: str) -> None:
    async with databases.admin.transaction():
        for payload in payloads:
            await databases.admin.execute("select pg_notify($1, $2)", CHANNEL, payload)


async def test_a_listener_for_any_id_of_a_notification_receives_its_first_id(
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


async def test_a_notification_is_delivered_once(
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


async def test_while_no_connection_can_be_opened_listeners_poll(
    databases: Databases, notifications: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_notify, "PROBE_EVERY", 0.1)
    limit = f"alter database {databases.name} connection limit"
    with notifications.subscribe(["a"]) as listener:
        await databases.admin.execute(f"{limit} 0")
        pid = await databases.admin.fetchval(LISTENERS, f"{CHANNEL} listener")
        await databases.admin.execute("select pg_terminate_backend($1)", pid)
        async with asyncio.timeout(PATIENCE):
            assert (await listener.changes(), await listener.changes()) == (None, None)
            assert not await databases.admin.fetch(LISTENERS, f"{CHANNEL} listener")
            await databases.admin.execute(f"{limit} -1")
            while await listener.changes() is None:
                await notify(databases, "a")


async def test_a_server_that_accepts_a_connection_and_sends_nothing_is_tried_again(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_notify, "CONNECT_TIMEOUT", 1.0)
    name = ".s.PGSQL.5432"
    connections = 0

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            # It applies to the next attempts: a busy machine may need longer for one.
            monkeypatch.setattr(kit_notify, "CONNECT_TIMEOUT", PATIENCE)
            await reader.read()  # until the client gives up
            writer.close()
            return
        path = Path(databases.server.base) / name
        from_server, to_server = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, to_server), copy(from_server, writer))

    url = databases.url("orders").replace(databases.server.base, str(tmp_path))
    async with (
        await asyncio.start_unix_server(answer, tmp_path / name),
        Notifications.open(url, CHANNEL) as notifications,
    ):
        with notifications.subscribe(["a"]) as listener:
            async with asyncio.timeout(PATIENCE):
                assert await listener.changes() is None
    assert connections == 2


async def test_listening_uses_one_connection_and_releases_it(databases: Databases) -> None:
    name = f"{CHANNEL} listener"
    async with Notifications.open(databases.url("orders"), CHANNEL) as notifications:
        with notifications.subscribe(["a"]) as one, notifications.subscribe(["b"]) as other:
            assert (await one.changes(), await other.changes()) == (None, None)
            assert len(await databases.admin.fetch(LISTENERS, name)) == 1
    async with asyncio.timeout(PATIENCE):
        while await databases.admin.fetch(LISTENERS, name):
            await asyncio.sleep(0.01)


async def test_listening_waits_for_an_unavailable_server(databases: Databases) -> None:
    url = databases.url("orders")
    nowhere = url.replace(f"/{databases.name}?", f"/{databases.name}_later?")
    async with Notifications.open(nowhere, CHANNEL) as notifications:
        with notifications.subscribe(["a"]) as listener:
            receiving = asyncio.create_task(listener.changes())
            await databases.admin.execute(f"create database {databases.name}_later")
            try:
                async with asyncio.timeout(PATIENCE):
                    assert await receiving is None
            finally:
                await databases.admin.execute(f"drop database {databases.name}_later with (force)")


def lost_for() -> float:
    found = metrics.registry().get_sample_value(
        "esimgo_db_notifications_lost_seconds", {"channel": CHANNEL}
    )
    assert found is not None
    return found


async def test_a_metric_shows_how_long_no_notifications_are_received(
    databases: Databases, notifications: Notifications
) -> None:
    assert lost_for() == 0
    limit = f"alter database {databases.name} connection limit"
    await databases.admin.execute(f"{limit} 0")
    pid = await databases.admin.fetchval(LISTENERS, f"{CHANNEL} listener")
    await databases.admin.execute("select pg_terminate_backend($1)", pid)
    await until(lambda: lost_for() > 0.5)  # after failed attempts to reconnect
    await databases.admin.execute(f"{limit} -1")
    await until(lambda: lost_for() == 0)
    with notifications.subscribe(["a"]) as listener:
        await notify(databases, "a")
        assert await listener.changes() == ["a"]
