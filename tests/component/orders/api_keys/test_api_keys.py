"""API keys of organizations: who manages them, and what is refused."""

import asyncio
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

import grpc
import pytest

from kit.auth import api_keys
from protos.orders.v1 import api_keys_pb2 as pb
from protos.orders.v1 import orders_pb2, orders_pb2_grpc, organizations_pb2
from services.orders.api_keys.servicer import MAX_KEYS
from services.orders.organizations.membership import MemberRole
from tests.component.orders.shop import Shop
from tests.fixtures.api_keys import OWNER, create_key, exchange, keys
from tests.fixtures.organizations import create_organization
from tests.fixtures.rpc.refusals import reason_of, refused


async def invalid_fields(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert reason_of(raised.value) == "INVALID_ARGUMENT"
    return str(raised.value.details())


async def test_a_key_is_shown_once_and_only_its_hash_is_stored(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme, ["orders:write"], addresses=["192.0.2.0/24"])
        assert created.key.startswith("esk_test_")  # the provider is the sandbox
        assert created.api_key.hint == created.key[:13]
        assert list(created.api_key.scopes) == ["orders:write"]
        assert created.api_key.created_by == str(acme.owner.user_id)
        answer = await keys(channel).ListAPIKeys(
            pb.ListAPIKeysRequest(organization_id=acme.id), metadata=acme.owner.metadata
        )
        assert list(answer.api_keys) == [created.api_key]
    random = created.key[13:]
    tables = await shop.databases.admin.fetch(
        "select table_name from information_schema.tables where table_schema = 'orders'"
    )
    for table in tables:
        stored = await shop.databases.admin.fetch(
            f'select t::text from orders."{table[0]}" t'  # noqa: S608 - a name of the schema
        )
        assert not [row for row in stored if random in row[0]], table
    stored_hash = await shop.databases.admin.fetchval("select key_hash from orders.api_keys")
    assert stored_hash == api_keys.digest(created.key)


@pytest.mark.parametrize("role", list(MemberRole))
async def test_owners_and_managers_manage_keys(shop: Shop, role: MemberRole) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        created = await create_key(channel, acme)
        session = acme.members[role].metadata
        stub = keys(channel)
        calls: list[Any] = [
            create_key(channel, acme, session=session),
            stub.ListAPIKeys(pb.ListAPIKeysRequest(organization_id=acme.id), metadata=session),
            stub.RevokeAPIKey(
                pb.RevokeAPIKeyRequest(api_key_id=created.api_key.id), metadata=session
            ),
        ]
        if role in (MemberRole.OWNER, MemberRole.MANAGER):
            for call in calls:
                await call
        else:
            for call in calls:
                assert await refused(call) == "MEMBER_ROLE_INSUFFICIENT"


async def test_other_organizations_and_other_people_find_no_key(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, "Acme", roles=OWNER)
        rival = await create_organization(shop.auth, channel, "Rival", roles=OWNER)
        created, stub = await create_key(channel, acme), keys(channel)
        stranger = await shop.session("stranger@example.com")
        support = await shop.session("sue@example.com", role="support")
        for session in (rival.owner.metadata, stranger, support):
            one = stub.RevokeAPIKey(
                pb.RevokeAPIKeyRequest(api_key_id=created.api_key.id), metadata=session
            )
            assert await refused(one) == "API_KEY_NOT_FOUND"
            many = stub.ListAPIKeys(
                pb.ListAPIKeysRequest(organization_id=acme.id), metadata=session
            )
            assert await refused(many) == "ORGANIZATION_NOT_FOUND"
            assert (
                await refused(create_key(channel, acme, session=session))
                == "ORGANIZATION_NOT_FOUND"
            )
        # Administrators revoke any key, and can create none.
        admin = await shop.session("admin@example.com", admin=True)
        assert await refused(create_key(channel, acme, session=admin)) == "ORGANIZATION_NOT_FOUND"
        assert (
            await refused(create_key(channel, acme, session=shop.service_key))
            == "MEMBER_SESSION_REQUIRED"
        )
        revoked = await stub.RevokeAPIKey(
            pb.RevokeAPIKeyRequest(api_key_id=created.api_key.id), metadata=admin
        )
        assert revoked.api_key.HasField("revoked_at")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": " "}, "name: must have 1 to 100"),
        ({"name": "x" * 101}, "name: must have at most 100"),
        ({"scopes": []}, "scopes: must contain at least one"),
        ({"scopes": ["orders:write", "admin"]}, "scopes[1]: must be one of"),
        ({"addresses": ["example.com"]}, "addresses[0]: must be an IP address"),
        ({"addresses": ["192.0.2.1/24"]}, "did you mean 192.0.2.0/24?"),
        ({"addresses": ["::ffff:192.0.2.1/120"]}, "did you mean 192.0.2.0/24?"),
        ({"addresses": ["::1", "fe80::1%eth0"]}, "addresses[1]: must have no scope id"),
        ({"addresses": ["fe80::%eth0/64"]}, "addresses[0]: must have no scope id"),
        ({"addresses": ["192.0.2.1%eth0"]}, "addresses[0]: must be an IP address"),
        ({"addresses": ["192.0.2.1"] * 21}, "addresses: must contain at most 20"),
        ({"organization_id": "acme"}, "organization_id: must be a UUID"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at: must be in the future"),
    ],
    ids=str,
)
async def test_each_wrong_field_is_named(shop: Shop, fields: dict[str, Any], expected: str) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        assert expected in await invalid_fields(create_key(channel, acme, **fields))
    assert await shop.databases.admin.fetchval("select count(*) from orders.api_keys") == 0


async def test_addresses_and_scopes_are_stored_in_one_form(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(
            channel,
            acme,
            ["orders:read", "esims:read", "orders:read"],
            addresses=[
                *(" 192.0.2.7 ", "192.0.2.7/32", "::ffff:192.0.2.7", "::FFFF:c000:207/128"),
                *("2001:DB8:0::/48", "::ffff:127.0.0.0/104", "::fffe:0:0/95"),
            ],
        )
        assert list(created.api_key.scopes) == ["esims:read", "orders:read"]
        assert list(created.api_key.addresses) == [
            *("192.0.2.7", "2001:db8::/48", "127.0.0.0/8"),
            "::fffe:0:0/95",
        ]


async def test_removing_the_member_revokes_the_key(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme)
        await acme.service.RemoveMember(
            organizations_pb2.RemoveMemberRequest(
                organization_id=acme.id, user_id=created.api_key.id
            ),
            metadata=acme.owner.metadata,
        )
        assert await refused(exchange(channel, shop.auth, created.key)) == "API_KEY_REVOKED"
        changing = acme.service.SetMemberRole(
            organizations_pb2.SetMemberRoleRequest(
                organization_id=acme.id,
                user_id=created.api_key.id,
                role=organizations_pb2.MEMBER_ROLE_OWNER,
            ),
            metadata=acme.owner.metadata,
        )
        assert await refused(changing) == "API_KEY_ROLE_FIXED"


async def test_the_database_keeps_api_keys_buyers(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme)
    with pytest.raises(Exception, match="api_keys_are_buyers"):
        await shop.databases.admin.execute(
            "update orders.members set role = 'OWNER' where user_id = $1::text::uuid",
            created.api_key.id,
        )


async def test_an_api_key_is_no_person_to_erase(shop: Shop) -> None:
    """Its orders would become those of the shop in reports, and differ from the recorded facts."""
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme, ["orders:write"])
        erasure = orders_pb2.EraseCustomerRequest(customer_id=created.api_key.id)
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        details = await invalid_fields(stub.EraseCustomer(erasure, metadata=shop.service_key))
    assert details.startswith("customer_id: is the id of an API key")


async def test_an_organization_has_a_limited_number_of_keys(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        await shop.databases.admin.executemany(
            "insert into orders.api_keys (id, organization_id, name, key_hash, hint, scopes, created_by)"
            " values ($1, $2::text::uuid, 'old', $3, 'esk_test_', '{plans:read}', 'test')",
            [(api_keys.create_id(), acme.id, token_bytes(32)) for _ in range(MAX_KEYS - 3)],
        )
        made = await asyncio.gather(
            *(create_key(channel, acme) for _ in range(8)), return_exceptions=True
        )
        created = [one for one in made if isinstance(one, pb.CreateAPIKeyResponse)]
        failed = [one for one in made if isinstance(one, grpc.aio.AioRpcError)]
        assert len(created) == 3
        assert {reason_of(one) for one in failed} == {"TOO_MANY_API_KEYS"}
        members = "select count(*) from orders.members where until is null"
        assert await shop.databases.admin.fetchval(members) == 4  # the owner, and three keys
        await keys(channel).RevokeAPIKey(
            pb.RevokeAPIKeyRequest(api_key_id=created[0].api_key.id),
            metadata=acme.owner.metadata,
        )
        await create_key(channel, acme)


async def test_pages_of_keys_hold_each_once_newest_first(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        made = [(await create_key(channel, acme)).api_key.id for _ in range(5)]
        found, token = [], ""
        while True:
            page = await keys(channel).ListAPIKeys(
                pb.ListAPIKeysRequest(organization_id=acme.id, page_size=2, page_token=token),
                metadata=acme.owner.metadata,
            )
            found += [one.id for one in page.api_keys]
            token = page.next_page_token
            if not token:
                break
        assert found == made[::-1]
