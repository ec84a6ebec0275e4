"""Tokens that API keys are exchanged for, what they allow, and the keys that sign them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from kit.auth import api_keys
from kit.values import timestamps
from protos.auth.v1 import issuer_pb2, issuer_pb2_grpc
from protos.orders.v1 import api_keys_pb2 as pb
from protos.orders.v1 import orders_pb2, orders_pb2_grpc, organizations_pb2
from tests.component.orders.shop import Shop, request
from tests.fixtures.api_keys import OWNER, create_key, exchange, key_session, keys
from tests.fixtures.organizations import create_organization
from tests.fixtures.rpc.refusals import refused


async def test_a_token_names_the_key_its_scopes_and_no_person(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme, ["orders:write"])
        answer = await exchange(channel, shop.auth, created.key)
        claims = jwt.decode(answer.token, options={"verify_signature": False})
        lifetime = claims.pop("exp") - claims.pop("iat")
        assert lifetime == 300
        assert claims == {
            "iss": "urn:esimgo:api-keys",
            "aud": "esimgo",
            "sub": created.api_key.id,
            "role": "authenticated",
            "organization_id": acme.id,
            "scope": "orders:read orders:write plans:read",
        }
        used = await keys(channel).ListAPIKeys(
            pb.ListAPIKeysRequest(organization_id=acme.id), metadata=acme.owner.metadata
        )
        assert used.api_keys[0].HasField("last_used_at")


async def test_only_a_service_exchanges_keys_and_reads_the_key_set(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme)
        own = await key_session(channel, shop.auth, created.key)
        admin = await shop.session("admin@example.com", admin=True)
        request = pb.ExchangeAPIKeyRequest(key_hash=api_keys.digest(created.key))
        issuer = issuer_pb2_grpc.IssuerServiceStub(channel)
        stub = keys(channel)
        for session in (own, admin, acme.owner.metadata):
            assert await refused(stub.ExchangeAPIKey(request, metadata=session)) == "FORBIDDEN"
            replacing = stub.ReplaceSigningKey(pb.ReplaceSigningKeyRequest(), metadata=session)
            assert await refused(replacing) == "FORBIDDEN"
            reading = issuer.GetKeySet(issuer_pb2.GetKeySetRequest(), metadata=session)
            assert await refused(reading) == "FORBIDDEN"
        answer = await issuer.GetKeySet(issuer_pb2.GetKeySetRequest(), metadata=shop.service_key)
        (key,) = json.loads(answer.jwks)["keys"]
        assert set(key) == {"kty", "crv", "alg", "use", "kid", "x", "y"}  # no private part


@pytest.mark.parametrize(
    ("listed", "address", "reason"),
    [
        (["192.0.2.0/24"], "192.0.2.7", None),
        (["192.0.2.0/24", "2001:db8::/48"], "2001:db8::1", None),
        (["192.0.2.7"], "192.0.2.7", None),
        (["::ffff:192.0.2.7"], "192.0.2.7", None),
        (["::ffff:192.0.2.0/120"], "192.0.2.7", None),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", None),
        (["::ffff:0:0/96"], "203.0.113.9", None),
        (["::ffff:192.0.2.0/120"], "192.0.3.7", "API_KEY_ADDRESS"),
        (["::/0"], "192.0.2.7", "API_KEY_ADDRESS"),
        ([], "", None),
        (["192.0.2.0/24"], "192.0.3.7", "API_KEY_ADDRESS"),
        (["192.0.2.0/24"], "2001:db8::1", "API_KEY_ADDRESS"),
        (["192.0.2.0/24"], "", "API_KEY_ADDRESS"),
        (["192.0.2.0/24"], "nonsense", "API_KEY_ADDRESS"),
    ],
)
async def test_a_key_with_addresses_is_refused_elsewhere(
    shop: Shop, listed: list[str], address: str, reason: str | None
) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme, addresses=listed)
        exchanged = exchange(channel, shop.auth, created.key, address)
        if reason is None:
            assert (await exchanged).token
        else:
            assert await refused(exchanged) == reason


async def test_a_key_that_was_stored_with_a_mapped_address_works(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme)
        await shop.databases.admin.execute(
            "update orders.api_keys set addresses = array['::ffff:127.0.0.1', '::ffff:7f00:0/104']"
        )
        for address in ("127.0.0.1", "127.9.9.9"):
            assert (await exchange(channel, shop.auth, created.key, address)).token
        elsewhere = exchange(channel, shop.auth, created.key, "128.0.0.1")
        assert await refused(elsewhere) == "API_KEY_ADDRESS"


async def test_unknown_expired_and_revoked_keys_are_refused(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        unknown = api_keys.create(live=False)
        assert await refused(exchange(channel, shop.auth, unknown)) == "API_KEY_INVALID"
        soon = datetime.now(UTC) + timedelta(seconds=240)  # less than a token is valid
        expiring = await create_key(channel, acme, expires_at=timestamps.to_proto(soon))
        token = await exchange(channel, shop.auth, expiring.key)
        # The token ends with the key.
        assert token.expires_at.ToDatetime(UTC) <= soon
        await shop.databases.admin.execute(
            "update orders.api_keys set created_at = now() - interval '2 s',"
            " expires_at = now() - interval '1 s'"
        )
        assert await refused(exchange(channel, shop.auth, expiring.key)) == "API_KEY_EXPIRED"
        created = await create_key(channel, acme)
        stub = keys(channel)
        revoke = pb.RevokeAPIKeyRequest(api_key_id=created.api_key.id)
        first = await stub.RevokeAPIKey(revoke, metadata=acme.owner.metadata)
        assert first.api_key.revoked_by == str(acme.owner.user_id)
        assert await stub.RevokeAPIKey(revoke, metadata=acme.owner.metadata) == first
        assert await refused(exchange(channel, shop.auth, created.key)) == "API_KEY_REVOKED"


async def test_a_revoked_key_reads_and_buys_nothing_with_its_old_token(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER, currency="USD")
        created = await create_key(channel, acme)
        session = await key_session(channel, shop.auth, created.key)
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=session)
        await keys(channel).RevokeAPIKey(
            pb.RevokeAPIKeyRequest(api_key_id=created.api_key.id), metadata=acme.owner.metadata
        )
        buying = orders.CreateOrder(request(shop, organization_id=acme.id), metadata=session)
        assert await refused(buying) == "ORGANIZATION_NOT_FOUND"
        assert shop.charges == 0


async def test_a_key_calls_only_what_its_scopes_name(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        reading = await create_key(channel, acme, ["orders:read"])
        session = await key_session(channel, shop.auth, reading.key)
        await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=session)
        buying = orders.CreateOrder(request(shop, organization_id=acme.id), metadata=session)
        assert await refused(buying) == "SCOPE_MISSING"
        # No key manages keys or members, whatever its scopes are.
        all_scopes = await key_session(channel, shop.auth, (await create_key(channel, acme)).key)
        for call in (
            create_key(channel, acme, session=all_scopes),
            keys(channel).RevokeAPIKey(
                pb.RevokeAPIKeyRequest(api_key_id=reading.api_key.id), metadata=all_scopes
            ),
            acme.service.ListMembers(
                organizations_pb2.ListMembersRequest(organization_id=acme.id),
                metadata=all_scopes,
            ),
        ):
            assert await refused(call) == "SCOPE_MISSING"
        # A key buys for its organization only.
        own = orders.CreateOrder(request(shop), metadata=all_scopes)
        assert await refused(own) == "API_KEY_ORGANIZATION_REQUIRED"
        rival = await create_organization(shop.auth, channel, "Rival", roles=OWNER)
        other = orders.CreateOrder(request(shop, organization_id=rival.id), metadata=all_scopes)
        assert await refused(other) == "ORGANIZATION_NOT_FOUND"
        assert shop.charges == 0


async def test_replicas_share_the_signing_key_and_withdraw_it_together(shop: Shop) -> None:
    async with shop.channel() as first, shop.channel() as second:
        acme = await create_organization(shop.auth, first, roles=OWNER)
        created = await create_key(first, acme)
        tokens = await asyncio.gather(
            *(exchange(channel, shop.auth, created.key) for channel in (first, second) * 5)
        )
        ids = {jwt.get_unverified_header(one.token)["kid"] for one in tokens}
        assert len(ids) == 1
        listing = pb.ListAPIKeysRequest(organization_id=acme.id)
        for channel in (first, second):
            session = await key_session(second, shop.auth, created.key)
            assert await refused(keys(channel).ListAPIKeys(listing, metadata=session)) == (
                "SCOPE_MISSING"  # verified, and then refused
            )
        replaced = await keys(first).ReplaceSigningKey(
            pb.ReplaceSigningKeyRequest(), metadata=shop.service_key
        )
        for channel in (first, second):
            renewed = await exchange(channel, shop.auth, created.key)
            assert jwt.get_unverified_header(renewed.token)["kid"] == replaced.key_id
        stored = await shop.databases.admin.fetch("select * from orders.signing_keys")
        assert [row["id"] for row in stored] == [replaced.key_id]


async def test_an_old_signing_key_is_replaced_and_published_for_a_while(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER)
        created = await create_key(channel, acme)
        old = await key_session(channel, shop.auth, created.key)
        await shop.databases.admin.execute(
            "update orders.signing_keys set created_at = now() - interval '30 days 1 s'"
        )
        await exchange(channel, shop.auth, created.key)
        count = "select count(*) from orders.signing_keys"
        assert await shop.databases.admin.fetchval(count) == 2
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=old)
        await shop.databases.admin.execute(
            "update orders.signing_keys set created_at = created_at - interval '31 days'"
        )
        await exchange(channel, shop.auth, created.key)
        assert await shop.databases.admin.fetchval(count) == 1
