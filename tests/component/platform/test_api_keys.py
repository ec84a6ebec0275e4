"""API keys through the whole platform: what a program does with one, and that no key reaches a log."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.upstream.api_keys import CACHED_FOR, APIKeySessions
from gateway.upstream.peers import Peers
from kit.auth import api_keys
from kit.errors import Failure, Kind
from kit.process import issuers
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from protos.orders.v1 import (
    api_keys_pb2,
    api_keys_pb2_grpc,
)
from tests.component.platform.company import CREATE, Company, company
from tests.fixtures.api_keys import create_key, exchange
from tests.fixtures.gateway import Gateway, stop_service
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.sockets import opened
from tests.fixtures.stepped_clock import SteppedClock
from tests.fixtures.tracing import Spans

LIST = """query($id: ID!) { apiKeys(organizationId: $id) { nextCursor nodes { id name hint scopes addresses
    createdBy expiresAt lastUsedAt revokedAt revokedBy } } }"""
REVOKE = """mutation($id: ID!) { revokeAPIKey(id: $id) { success error code key apiKey { id revokedAt } } }"""
ORDER = """query($id: ID!) { orderDetails(id: $id) { id status dataPlan { name }
    esims { iccid activationCode } } }"""


@pytest.fixture
async def acme(platform: Platform) -> AsyncIterator[Company]:
    async with company(platform) as running:
        yield running


async def test_a_program_buys_and_reads_with_its_key(acme: Company) -> None:
    answer = await acme.owner.ask(
        CREATE,
        id=acme.acme.id,
        input={
            "name": "shop",
            "scopes": ["ORDERS_WRITE", "ESIMS_READ"],
            "addresses": ["127.0.0.1"],
        },
    )
    created = answer.data["createAPIKey"]
    assert created["apiKey"] | {"createdAt": None} == {
        "id": created["apiKey"]["id"],
        "name": "shop",
        "hint": created["key"][:13],
        "scopes": ["ESIMS_READ", "ORDERS_WRITE"],
        "addresses": ["127.0.0.1"],
        "createdAt": None,
        "createdBy": str(acme.acme.owner.user_id),
        "expiresAt": None,
        "lastUsedAt": None,
        "revokedAt": None,
        "revokedBy": None,
    }
    program = acme.platform.client.signed_in(created["key"])
    order_id = await acme.buy(created["key"])
    order = (await acme.platform.completed(program, order_id))["esims"]
    assert order[0]["activationCode"].startswith("LPA:1$")
    mine = await program.ask("{ me { id role email } }")
    assert mine.data["me"] == {"id": created["apiKey"]["id"], "role": "CUSTOMER", "email": None}
    listed = (await acme.owner.ask(LIST, id=acme.acme.id)).data["apiKeys"]["nodes"]
    assert listed[0]["lastUsedAt"] is not None
    assert "key" not in json.dumps(listed[0]).replace("apiKey", "")


async def test_each_field_needs_its_scope(acme: Company) -> None:
    writer, reader = await acme.key("ORDERS_WRITE", "ESIMS_READ"), await acme.key("ORDERS_READ")
    nothing = await acme.key("PLANS_READ")
    order_id = await acme.buy(str(writer.token))
    await acme.platform.completed(writer, order_id)
    # The key that only reads orders sees neither orders of another key nor any eSIM.
    refused = await reader.ask("{ myESIMs { iccid } }")
    assert refused.error["extensions"]["code"] == "FORBIDDEN"
    assert "esims:read" in refused.error["message"]
    assert (await reader.ask("{ myOrders { id } }")).data["myOrders"] == []
    refused = await nothing.ask("{ myOrders { id } }")
    assert "orders:read" in refused.error["message"]
    assert (await nothing.ask("{ dataPlans(first: 1) { id } }")).data["dataPlans"]
    # No key manages keys.
    denied = await writer.ask(
        CREATE, id=acme.acme.id, input={"name": "x", "scopes": ["PLANS_READ"]}
    )
    assert denied.data["createAPIKey"]["code"] == "SCOPE_MISSING"
    assert (await writer.ask(LIST, id=acme.acme.id)).body["data"]["apiKeys"] is None


async def test_every_service_verifies_the_token_and_knows_no_key(acme: Company) -> None:
    program = await acme.key("PLANS_READ")
    token = (await exchange(acme.channel, acme.platform.auth, str(program.token))).token
    async with rpc_client.channel(acme.platform.gateway_settings.catalogue_address) as channel:
        stub = catalogue_pb2_grpc.CatalogueServiceStub(channel)
        listing = catalogue_pb2.ListFeaturedPlansRequest()
        assert await rpc_client.call(stub.ListFeaturedPlans, listing, token=token, timeout=PATIENCE)
        with pytest.raises(Failure) as raised:
            await rpc_client.call(
                stub.GetSyncStatus,
                catalogue_pb2.GetSyncStatusRequest(),
                token=token,
                timeout=PATIENCE,
            )
        assert (raised.value.kind, raised.value.reason) == (Kind.FORBIDDEN, "FORBIDDEN")
        # The gateway alone takes keys.
        with pytest.raises(Failure) as raised:
            await rpc_client.call(
                stub.ListFeaturedPlans, listing, token=program.token, timeout=PATIENCE
            )
        assert raised.value.reason == "TOKEN_MALFORMED"


async def test_a_key_is_refused_from_another_address(acme: Company) -> None:
    program = await acme.key("PLANS_READ", addresses=["192.0.2.0/24"])
    trusting = replace(
        acme.platform.gateway_settings.defence, trusted_proxies=(ip_network("127.0.0.0/8"),)
    )
    async with acme.platform.another(program, defence=trusting) as behind:
        for address, status in (("192.0.2.9", 200), ("203.0.113.9", 403), ("192.0.2.9", 200)):
            answer = await behind.ask("{ me { id } }", {"X-Forwarded-For": address})
            assert answer.status == status, answer.body
        assert answer.data["me"]["id"]
        refused = await behind.ask("{ me { id } }", {"X-Forwarded-For": "203.0.113.9"})
        assert refused.error["extensions"]["reason"] == "API_KEY_ADDRESS"
    # Without a configured proxy, the address of a client behind one is unknown.
    unknown = await program.ask("{ me { id } }", {"X-Forwarded-For": "192.0.2.9"})
    assert unknown.status == 403
    assert "GATEWAY_TRUSTED_PROXIES" in unknown.error["message"]


async def test_invalid_keys_are_refused_with_a_status_and_a_reason(acme: Company) -> None:
    unknown = api_keys.create(live=False)
    mistyped = unknown[:-1] + ("A" if unknown[-1] != "A" else "B")
    for key in (unknown, mistyped, "esk_test_", "esk_live_" + "a" * 43):
        answer = await acme.platform.client.signed_in(key).ask("{ me { id } }")
        assert answer.status == 401
        assert answer.error["extensions"]["reason"] == "API_KEY_INVALID"
        assert "Bearer" in answer.headers["WWW-Authenticate"]


async def test_a_revoked_key_counts_within_a_minute_at_the_gateway(acme: Company) -> None:
    program = await acme.key("ORDERS_READ")
    sessions, clock = acme.platform.gateway_settings.sessions, SteppedClock()
    keys = issuers.api_keys(acme.channel, sessions.service_role_key)
    peers = Peers(catalogue=acme.channel, orders=acme.channel, esims=acme.channel)
    verifier = sessions.verifier(acme.platform.client.http, keys)
    known = APIKeySessions(peers, verifier, sessions.service_role_key, clock)
    session = await known.session(str(program.token), "127.0.0.1")
    clock.passed = CACHED_FOR - 1
    assert await known.session(str(program.token), "127.0.0.1") == session
    id_ = str(session.user_id)
    revoked = (await acme.owner.ask(REVOKE, id=id_)).data["revokeAPIKey"]
    assert (revoked["success"], revoked["key"]) == (True, None)
    assert (await acme.owner.ask(REVOKE, id=id_)).data["revokeAPIKey"] == revoked
    clock.passed = CACHED_FOR
    with pytest.raises(Failure) as raised:
        await known.session(str(program.token), "127.0.0.1")
    assert raised.value.reason == "API_KEY_REVOKED"


async def test_a_replaced_signing_key_is_no_interruption(acme: Company) -> None:
    program = await acme.key("ORDERS_READ")
    assert (await program.ask("{ myOrders { id } }")).data == {"myOrders": []}
    await api_keys_pb2_grpc.APIKeysServiceStub(acme.channel).ReplaceSigningKey(
        api_keys_pb2.ReplaceSigningKeyRequest(),
        metadata=(("authorization", f"Bearer {acme.platform.auth.service_role_key}"),),
    )
    another = await acme.key("ORDERS_READ")
    assert (await another.ask("{ myOrders { id } }")).data == {"myOrders": []}


async def test_web_sockets_take_keys(acme: Company) -> None:
    program = await acme.key("ESIMS_READ")
    async with opened(acme.platform.client) as socket:
        await socket.send(
            type="connection_init", payload={"Authorization": f"Bearer {program.token}"}
        )
        assert (await socket.receive())["type"] == "connection_ack"
        await socket.subscribe("subscription { myESIMsUpdated { id } }")
        assert await socket.data() == {"myESIMsUpdated": []}
        await socket.subscribe('subscription { orderUpdated(orderId: "x") { id } }')
        assert "orders:read" in (await socket.error())["message"]
    async with opened(acme.platform.client) as socket:
        await socket.send(
            type="connection_init",
            payload={"Authorization": f"Bearer {api_keys.create(live=False)}"},
        )
        assert (await socket.closed())[0] == 4403


async def test_no_key_reaches_a_log_a_trace_or_an_error(
    acme: Company, caplog: pytest.LogCaptureFixture, spans: Spans
) -> None:
    """Everything that the processes log at debug level, before it is redacted, and every span."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "asyncpg")
    caplog.set_level(logging.DEBUG, "kit")
    program = await acme.key("ORDERS_WRITE", "ESIMS_READ")
    key = str(program.token)
    order = await acme.buy(key)
    answers = [
        await program.ask(ORDER, id=order),
        await program.ask("{ nonsense }"),
        await program.ask(CREATE, id=acme.acme.id, input={"name": key, "scopes": ["PLANS_READ"]}),
        await acme.owner.ask(LIST, id=acme.acme.id),
        await acme.platform.client.signed_in(f"{key}x").ask("{ me { id } }"),
        await acme.platform.client.signed_in(f"x{key}").ask("{ me { id } }"),
        await acme.platform.client.signed_in(f"Bearer {key}").ask("{ me { id } }"),
    ]
    id_ = (await program.ask("{ me { id } }")).data["me"]["id"]
    await acme.owner.ask(REVOKE, id=id_)
    secret = key[len("esk_test_0000") :]
    assert all(secret not in json.dumps(one.body) for one in answers)
    assert all(secret not in str(one.headers) for one in answers)
    assert f"API key {id_} was created" in caplog.text
    assert f"API key {id_} was revoked" in caplog.text
    records = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert len(records) > 20
    assert [one for one in records if secret in one] == []
    token = (await acme_token(acme)).rpartition(".")[2]
    assert [one for one in records if token in one] == []
    shown = [f"{one.name} {one.attributes} {one.events} {one.status}" for one in spans.ended]
    assert shown
    assert [one for one in shown if secret in one] == []


async def acme_token(acme: Company) -> str:
    """Return the token of another key of the organization."""
    created = await create_key(acme.channel, acme.acme)
    return (await exchange(acme.channel, acme.platform.auth, created.key)).token


async def test_people_are_served_while_orders_is_down(gateway: Gateway, auth: Any) -> None:
    person = gateway.client.signed_in(await auth.token("ann@example.com"))
    program = gateway.client.signed_in(api_keys.create(live=False))
    await stop_service(gateway, "orders")
    assert (await person.ask("{ me { id } }")).data["me"]["id"]
    answer = await program.ask("{ me { id } }")
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert (await person.ask("{ me { id } }")).data["me"]["id"]
