"""The feed of changes: nothing is skipped, whatever the order of commits, and deletions are reported."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest

from kit.changes.deletion import Deletion
from kit.changes.reader import Reader
from protos.changes.v1 import changes_pb2 as pb
from protos.changes.v1 import changes_pb2_grpc
from services.orders.organizations.membership import MemberRole
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import create_organization
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import reason_of

INSERT = "insert into orders.outbox (type, subject_id, body) values ($1, $2, '{}')"


@dataclass
class Kept:
    """A consumer in memory."""

    stored: str = ""
    changes: list[pb.Change] = field(default_factory=list)
    applied: asyncio.Event = field(default_factory=asyncio.Event)

    async def cursor(self) -> str:
        return self.stored

    async def apply(self, changes: Sequence[pb.Change], cursor: str) -> None:
        self.changes += changes
        self.stored = cursor
        self.applied.set()


@dataclass
class Running:
    """The service's feed, and a reader of it."""

    shop: Shop
    feed: Any
    channel: grpc.aio.Channel

    async def read(self, cursor: str = "", **fields: int) -> pb.ReadChangesResponse:
        request = pb.ReadChangesRequest(cursor=cursor, **fields)
        answer: pb.ReadChangesResponse = await self.feed.ReadChanges(
            request, metadata=self.shop.service_key
        )
        return answer

    async def next(self, cursor: str = "") -> pb.ReadChangesResponse:
        """Read once there are changes."""
        async with asyncio.timeout(PATIENCE):
            while not (answer := await self.read(cursor, wait_seconds=20)).changes:
                cursor = answer.cursor
        return answer

    async def types(self, cursor: str = "") -> list[str]:
        return [change.type for change in (await self.read(cursor)).changes]

    async def refused(self, cursor: str) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.read(cursor)
        return reason_of(raised.value)

    async def delete_old(self, days: int = 7) -> None:
        async with self.shop.databases.open("orders") as database:
            deletion = Deletion(
                database,
                "orders",
                days=days,
                keep_newest=("membership",),
                stop=asyncio.Event(),
            )
            await deletion.run()


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[Running]:
    async with shop.channel() as channel:
        yield Running(shop, changes_pb2_grpc.ChangesServiceStub(channel), channel)


@asynccontextmanager
async def connected(shop: Shop) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(shop.databases.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_changes_of_a_slow_transaction_are_not_skipped(shop: Shop) -> None:
    async with running(shop) as feed, connected(shop) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(INSERT, "slow", uuid4())
        await shop.databases.admin.execute(INSERT, "fast", uuid4())
        early = await feed.read()
        assert list(early.changes) == []  # the later one has to wait for the earlier one
        waiting = asyncio.ensure_future(feed.next(early.cursor))
        await transaction.commit()
        answer = await waiting
        assert [change.type for change in answer.changes] == ["slow", "fast"]
        assert await feed.types(answer.cursor) == []


async def test_a_rolled_back_change_is_never_read(shop: Shop) -> None:
    async with running(shop) as feed, connected(shop) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(INSERT, "undone", uuid4())
        waiting = asyncio.ensure_future(feed.next())
        await transaction.rollback()
        await shop.databases.admin.execute(INSERT, "done", uuid4())
        assert [change.type for change in (await waiting).changes] == ["done"]


async def test_concurrent_writers_lose_no_change(shop: Shop) -> None:
    kept, stop = Kept(), asyncio.Event()
    expected = {UUID(int=number + 1) for number in range(200)}

    async def write(numbers: Sequence[UUID]) -> None:
        async with connected(shop) as connection:
            for number in numbers:
                async with connection.transaction():
                    await connection.execute(INSERT, "test", number)
                    await connection.execute("select pg_sleep(random() * 0.01)")

    async with running(shop) as feed:
        reader = Reader("orders", feed.channel, shop.auth.service_role_key, kept, stop)
        loop = asyncio.ensure_future(reader.loop().run())
        numbers = sorted(expected)
        await asyncio.gather(*(write(numbers[start::10]) for start in range(10)))
        async with asyncio.timeout(PATIENCE):
            while len(kept.changes) < len(expected):
                kept.applied.clear()
                await kept.applied.wait()
        stop.set()
        await loop
    found = [UUID(change.subject_id) for change in kept.changes]
    assert len(found) == len(expected)
    assert set(found) == expected


async def test_memberships_are_reported_in_the_order_of_their_changes(shop: Shop) -> None:
    async with running(shop) as feed:
        acme = await create_organization(
            shop.auth, feed.channel, roles=(MemberRole.OWNER, MemberRole.BUYER)
        )
        read = await feed.read(limit=1)
        owner = read.changes[0]
        assert (owner.type, owner.customer_id) == ("membership", str(acme.owner.user_id))
        assert owner.organization_id == acme.id
        assert dict(owner.body) == {"role": "OWNER", "active": True}
        buyer = (await feed.read(read.cursor, limit=1)).changes[0]
        assert (buyer.customer_id, buyer.version) == (str(acme.buyer.user_id), owner.version + 1)


async def test_only_services_read_changes(shop: Shop) -> None:
    admin = await shop.session("admin@example.com", admin=True)
    async with running(shop) as feed:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await feed.feed.ReadChanges(pb.ReadChangesRequest(), metadata=admin)
        assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
        for cursor in ("x", "1", "1.2.3", "-1.2", f"{2**64}.1", "1.1~"):
            assert await feed.refused(cursor) == "INVALID_ARGUMENT"


async def test_old_changes_are_deleted_and_readers_behind_start_again(shop: Shop) -> None:
    admin = shop.databases.admin
    async with running(shop) as feed:
        member, event = uuid4(), uuid4()
        await admin.execute(INSERT, "membership", member)
        behind = (await feed.read()).cursor
        for kind, subject in (("event", event), ("membership", member), ("membership", uuid4())):
            await admin.execute(INSERT, kind, subject)
        await admin.execute("update orders.outbox set at = now() - interval '8 days'")
        await admin.execute(INSERT, "event", event)
        await feed.delete_old()
        assert await feed.refused(behind) == "CHANGES_DELETED"
        # From the start, the newest change of each membership is there, page by page.
        cursor, found = "", []
        while page := (answer := await feed.read(cursor, limit=1)).changes:
            found += [change.type for change in page]
            cursor = answer.cursor
        assert found == ["membership", "membership", "event"]
        kept, stop = Kept(stored=behind), asyncio.Event()
        reader = Reader("orders", feed.channel, shop.auth.service_role_key, kept, stop)
        for _ in range(2):
            await reader.round()
        assert [change.type for change in kept.changes] == found


async def test_a_restored_backup_makes_readers_start_again(shop: Shop) -> None:
    admin = shop.databases.admin
    async with running(shop) as feed:
        await admin.execute(INSERT, "old", uuid4())
        oldest = await admin.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text")
        behind = f"{oldest}.0"
        # As after a restore to another server: rows and cursors of transactions that are far ahead.
        await admin.execute("update orders.outbox set xid = '1000000000000'")
        assert await feed.refused("1000000000000.5") == "CHANGES_DELETED"
        await feed.delete_old()
        await admin.execute(INSERT, "new", uuid4())
        assert await feed.types() == ["old", "new"]
        for cursor in ("1.1", behind):
            assert await feed.refused(cursor) == "CHANGES_DELETED"
