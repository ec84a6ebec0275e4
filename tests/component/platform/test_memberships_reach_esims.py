"""Memberships reach the esims service through the feed of the orders service, without any push."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from kit.changes.reader import Reader
from protos.changes.v1 import changes_pb2
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from services.esims.travelers.replicate import MembershipReplica
from services.orders.organizations.membership import MemberRole
from tests.fixtures.organizations import Organization, create_organization
from tests.fixtures.patience import until
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases

JOIN = """
insert into orders.members (organization_id, user_id, role, added_by)
values ($1::text::uuid, $2, $3, 'test')
"""
LEAVE = "update orders.members set until = now(), removed_by = 'test' where user_id = $1"
COPIED = """
select count(*) = $2 from esims.memberships m join orders.members o
    on (o.organization_id, o.user_id) = (m.organization_id, m.user_id)
where o.organization_id = $1::text::uuid and m.role = o.role and m.active = (o.until is null)
"""


async def listed(platform: Platform, acme: Organization, token: str) -> bool:
    """True if the esims service takes the person for a member."""
    async with grpc.aio.insecure_channel(platform.esims_address) as channel:
        request = esims_pb2.ListESIMsRequest(filter=esims_pb2.ESIMFilter(organization_id=acme.id))
        call = esims_pb2_grpc.ESIMsServiceStub(channel).ListESIMs(
            request, metadata=(("authorization", f"Bearer {token}"),)
        )
        code = await call.code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)
        return code is grpc.StatusCode.OK


async def test_a_membership_that_was_not_pushed_counts_soon(
    platform: Platform, databases: Databases
) -> None:
    async with grpc.aio.insecure_channel(platform.orders_address) as orders:
        acme = await create_organization(platform.auth, orders, roles=(MemberRole.OWNER,))
    kim = await platform.auth.user_id("kim@example.com")
    token = await platform.auth.token("kim@example.com")
    assert not await listed(platform, acme, token)
    await databases.admin.execute(JOIN, acme.id, kim, "BUYER")
    await databases.until(COPIED, acme.id, 2)
    assert await listed(platform, acme, token)
    await databases.admin.execute(LEAVE, kim)
    await databases.until(COPIED, acme.id, 2)
    assert not await listed(platform, acme, token)


async def test_an_empty_replica_is_filled_from_the_feed(
    platform: Platform, databases: Databases
) -> None:
    admin = databases.admin
    async with grpc.aio.insecure_channel(platform.orders_address) as orders:
        acme = await create_organization(platform.auth, orders)
        await databases.until(COPIED, acme.id, len(MemberRole))
        before = await copied(admin)
        async with databases.open("esims") as database:
            replica, key = MembershipReplica(database), platform.auth.service_role_key

            async def filled() -> bool:
                await admin.execute("truncate esims.memberships, esims.change_cursors")
                await Reader("orders", orders, key, replica, asyncio.Event()).round()
                return bool(await replica.cursor()) and await copied(admin) == before

            # The service's own reader may write its cursor in between; then the next attempt counts.
            await until(filled)


async def copied(admin: Any) -> list[dict[str, Any]]:
    rows = await admin.fetch("select * from esims.memberships order by user_id")
    return [{name: value for name, value in row.items() if name != "updated_at"} for row in rows]


async def test_changes_and_cursor_are_applied_together(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    organization, kim = str(uuid4()), str(uuid4())

    def change(
        type_: str = "membership", role: str = "OWNER", customer_id: str = kim
    ) -> changes_pb2.Change:
        made = changes_pb2.Change(type=type_, organization_id=organization, version=7)
        made.customer_id = customer_id
        made.body.update({"role": role, "active": True})
        return made

    async with databases.open("esims") as database:
        replica = MembershipReplica(database)
        assert await replica.cursor() == ""
        await replica.apply([change("order"), change(customer_id="")], "1.1")
        assert await replica.cursor() == "1.1"
        rows = "select user_id, role, active from esims.memberships"
        assert await databases.admin.fetch(rows) == []
        await replica.apply([change(role="EMPEROR")], "1.2")
        assert [tuple(r) for r in await databases.admin.fetch(rows)] == [
            (UUID(kim), "TRAVELER", True)
        ]
        assert "unknown here" in caplog.text
        with pytest.raises(ValueError, match="badly formed"):
            await replica.apply([change(), change(customer_id="nobody")], "1.3")
        assert await replica.cursor() == "1.2"
