"""Share links, downloads and sheets: what each shows to members, to API keys and to another organization."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.http.app import open_gateway
from protos.esims.v1 import travelers_pb2, travelers_pb2_grpc
from tests.fixtures.leaks.marks import found_in
from tests.fixtures.leaks.tenant import Tenant, revoke_key
from tests.fixtures.leaks.world import World, create_world
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases

WHO = ("owner", "manager", "buyer", "finance", "traveler", "key")
# What a link shows: the eSIM and its traveler, but neither who bought it nor any id.
BEHIND_LINK = {"esim.owner.matching_id", "esim.owner.iccid", "esim.owner.traveler.name"}
# Routes that this file calls, besides GraphQL, health and the explorer.
ROUTES = {
    *("/batches/{id}/esims.csv", "/batches/{id}/esims.zip", "/batches/{id}/esims.pdf"),
    *("/statements/{id}.csv", "/statements/{id}.pdf"),
    "/statements/{id}/credit-notes/{number}.pdf",
    *("/batches/csv", "/batches", "/t/{token}"),
    *("/exports/{kind}.{format}", "/exports/links/{token}"),
}
OTHERS = {"/graphql", "/healthz", "/readyz"}
# Who may download what of their own organization. The API key has not created the batch.
BATCHES, STATEMENTS = {"owner", "manager"}, {"owner", "manager", "finance"}
EXPORTS = {"owner", "manager", "finance"}


@pytest.fixture
async def world(platform: Platform, databases: Databases) -> AsyncIterator[World]:
    async with create_world(platform, databases) as found:
        yield found


async def fetch(
    world: World, path: str, credential: str = "", form: dict[str, str] | None = None
) -> tuple[int, str]:
    """Return status and body of a route; a PDF and an archive as text that only holds their plain parts."""
    client = world.platform.client
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    data = None
    if form is not None:
        data = aiohttp.FormData(form)
        data.add_field("sheet", form["text"].encode(), filename="a.csv", content_type="text/csv")
    async with client.http.request(
        "GET" if form is None else "POST", f"{client.url}{path}", headers=headers, data=data
    ) as answer:
        return answer.status, (await answer.read()).decode(errors="replace")


async def test_every_route_is_called_here(platform: Platform) -> None:
    async with open_gateway(platform.gateway_settings) as gateway:
        paths = {resource.canonical for resource in gateway.app.router.resources()}
    assert paths - OTHERS == ROUTES


async def test_a_link_shows_one_esim_and_nothing_else(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    acme, rival = world.acme, world.rival
    path = f"/t/{acme.marks['secret.link.owner']}"
    # A session adds nothing, no matter whose it is.
    for credential in ("", acme.key, rival.key, rival.credential("owner")):
        status, text = await fetch(world, path, credential)
        assert status == 200
        found = found_in(text, acme.marks)
        assert found <= BEHIND_LINK
        assert {"esim.owner.matching_id", "esim.owner.traveler.name"} <= found
        assert found_in(text, rival.marks) == set()
    stub = travelers_pb2_grpc.TravelersServiceStub(acme.esims)
    await stub.RevokeShareLink(
        travelers_pb2.RevokeShareLinkRequest(share_link_id=acme.ids["share_link_id"]),
        metadata=acme.session("owner"),
    )
    # Revoked, unknown, and ids in place of tokens.
    wrong = (path, "/t/AAAAAAAAAAAAAAAAAAAAAA", f"/t/{rival.ids['share_link_id']}", "/t/x")
    for one in wrong:
        status, text = await fetch(world, one, rival.key)
        assert status in (403, 404, 409, 410), (one, status)
        assert found_in(text, acme.marks | rival.marks) == set()
    secrets = [acme.marks["secret.link.owner"], acme.key[13:], rival.key[13:]]
    records = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert records
    assert [one for one in records if any(secret in one for secret in secrets)] == []


async def test_files_are_for_their_organization_and_role(world: World) -> None:
    acme, rival = world.acme, world.rival
    customer = str((await world.platform.customer("ann@example.com")).token)
    callers = {who: acme.credential(who) for who in WHO} | {"customer": customer, "nobody": ""}
    files = {
        **{f"/batches/{{batch_id}}/esims.{kind}": BATCHES for kind in ("csv", "zip", "pdf")},
        **{f"/statements/{{statement_id}}.{kind}": STATEMENTS for kind in ("csv", "pdf")},
        "/statements/{statement_id}/credit-notes/CN-000001.pdf": set(),
    }
    for template, readers in files.items():
        for tenant in (acme, rival):
            path = template.format(**tenant.ids)
            for who, credential in callers.items():
                status, text = await fetch(world, path, credential)
                place = (path, who, status, text[:200])
                if tenant is acme and who in readers:
                    assert status == 200, place
                    assert found_in(text, rival.marks) == set(), place
                    continue
                assert status in (401, 403, 404), place
                hidden = {m: v for m, v in (acme.marks | rival.marks).items() if v not in path}
                assert found_in(text, hidden) == set(), place
    # The files hold what their readers came for.
    _, sheet = await fetch(world, f"/batches/{acme.ids['batch_id']}/esims.csv", callers["owner"])
    assert {"esim.batch.iccid", "esim.batch.traveler.name"} <= found_in(sheet, acme.marks)


async def test_exports_are_for_their_organization_and_role(world: World) -> None:
    acme, rival = world.acme, world.rival
    customer = str((await world.platform.customer("ann@example.com")).token)
    callers = {who: acme.credential(who) for who in WHO} | {"customer": customer, "nobody": ""}
    days = "from=2020-01-01&to=2035-12-31"
    links = ("/exports/links/x", f"/exports/links/{rival.ids['share_link_id']}")
    for kind in ("orders", "esims", "usage", "sales", "ledger", "customers"):
        own, theirs = (
            f"/exports/{kind}.csv?{days}&organizationId={tenant.id}" for tenant in (acme, rival)
        )
        for who, credential in callers.items():
            for path in (own, theirs, f"/exports/{kind}.csv?{days}", *links):
                status, text = await fetch(world, path, credential)
                place = (path, who, status, text[:200])
                if path == own and who in EXPORTS and kind in ("orders", "esims", "usage"):
                    assert status == 200, place
                    assert found_in(text, rival.marks) == set(), place
                    codes = {mark for mark in found_in(text, acme.marks) if "matching_id" in mark}
                    assert codes == set(), place
                    continue
                assert status in (400, 401, 403, 404), place
                hidden = {m: v for m, v in (acme.marks | rival.marks).items() if v not in path}
                assert found_in(text, hidden) == set(), place
    # The files hold what their readers came for.
    _, sheet = await fetch(
        world, f"/exports/esims.csv?{days}&organizationId={acme.id}", callers["owner"]
    )
    assert "esim.owner.iccid" in found_in(sheet, acme.marks)


async def test_a_sheet_for_another_organization_is_refused(world: World) -> None:
    acme, rival = world.acme, world.rival
    callers = {who: acme.credential(who) for who in WHO} | {"nobody": ""}
    for path in ("/batches/csv", "/batches"):
        for who, credential in callers.items():
            form = {
                "organizationId": rival.id,
                "idempotencyKey": "leak-test",
                "text": f"plan,quantity\n{world.plan},1\n",
            }
            given: dict[str, Any] = {k: v for k, v in form.items() if k != "idempotencyKey"}
            status, text = await fetch(
                world, path, credential, form if path == "/batches" else given
            )
            assert status in (400, 401, 403, 404), (path, who, status, text)
            hidden = {mark: value for mark, value in rival.marks.items() if value != rival.id}
            assert found_in(text, hidden) == set(), (path, who, text)


async def test_a_revoked_key_sees_nothing(world: World) -> None:
    acme: Tenant = world.acme
    key = acme.credential("key")
    client = world.platform.client.signed_in(key)
    document = (
        "query($acme: ID!, $order: ID!)"
        " { organization(id: $acme) { id } orderDetails(id: $order) { id } }"
    )
    ids: dict[str, Any] = {"acme": acme.id, "order": acme.marks["order.key.id"]}
    assert (await client.ask(document, **ids)).data["orderDetails"] == {"id": ids["order"]}
    await revoke_key(acme)
    # The gateway still has a token of the key, with which no service returns anything.
    answer = await client.ask(document, **ids)
    assert found_in(str(answer.body), ids) == set()
