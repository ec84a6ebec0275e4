"""Every field and every RPC, as every role of two organizations: no one sees or changes another's data."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from kit.auth.sessions import Role
from kit.rpc import client as rpc_client
from tests.fixtures.gateway import Client
from tests.fixtures.leaks.calls import Answer, Requests, call, services
from tests.fixtures.leaks.documents import Documents
from tests.fixtures.leaks.marks import allowed, found_in, of_kinds
from tests.fixtures.leaks.tenant import Tenant
from tests.fixtures.leaks.world import World, create_world
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases

WHO = ("owner", "manager", "buyer", "finance", "traveler", "key")
STAFF = ("support", "finance")
# No limit of an operation's cost, which is tested elsewhere.
NO_LIMIT = dict.fromkeys(Role, 10_000_000)


@pytest.fixture
async def world(platform: Platform, databases: Databases) -> AsyncIterator[World]:
    async with create_world(platform, databases) as found:
        yield found


def documents_of(tenant: Tenant, plan: str, *kinds: str) -> list[tuple[str, str, set[str]]]:
    """Return documents with the ids of an organization: for a group and a traveler, and for all of it."""
    ids = tenant.ids | {"plan_id": plan}
    # Its mutations change a group by its id.
    narrowing = () if "mutation" in kinds else ("group_id", "traveler_id")
    whole = {name: one for name, one in ids.items() if name not in narrowing}
    found = {
        document: (name, document, used)
        for given in (ids, whole)
        for name, document, used in Documents(given).of(*kinds)
    }
    return list(found.values())


async def ask(client: Client, document: str) -> str:
    """Return the response as text; of a subscription the first event, if there is one within two seconds."""
    if not document.startswith("subscription"):
        return json.dumps((await client.ask(document)).body, ensure_ascii=False)
    headers = {"Accept": "text/event-stream"}
    if client.token is not None:
        headers["Authorization"] = f"Bearer {client.token}"
    event = b""
    try:
        async with asyncio.timeout(2):
            url = f"{client.url}/graphql"
            async with client.http.post(url, json={"query": document}, headers=headers) as answer:
                while not event.endswith(b"\n\n"):
                    event += await answer.content.readany()
    except TimeoutError:
        pass
    return event.decode()


def forbidden(tenant: Tenant, who: str) -> dict[str, str]:
    """Return the marks of their own organization that a member must not see."""
    seen = allowed(who)
    return {name: text for name, text in tenant.marks.items() if not name.startswith(seen)}


def as_lines(leaks: list[Any]) -> str:
    return "\n".join(map(str, ["", *leaks]))


async def rows_of(databases: Databases, tenant: Tenant) -> set[str]:
    """Return all rows of an organization in all tables, to compare them later."""
    tables = await databases.admin.fetch(
        "select table_schema as s, table_name as t from information_schema.columns c"
        " where column_name = 'organization_id' and table_schema in ('orders', 'esims')"
    )
    found = set()
    for table in tables:
        name = f'{table["s"]}."{table["t"]}"'
        rows = await databases.admin.fetch(
            f"select to_jsonb(t) - 'last_used_at' as row from {name} t"  # noqa: S608 - names of the schema
            " where organization_id = $1::text::uuid",
            tenant.id,
        )
        found |= {f"{name} {row['row']}" for row in rows}
    assert len(found) > 20
    return found


async def rows_at_rest(databases: Databases, tenant: Tenant) -> set[str]:
    """Return the rows once background work, such as the end of a batch, has stopped to change them."""
    rows = await rows_of(databases, tenant)
    async with asyncio.timeout(PATIENCE):
        while True:
            await asyncio.sleep(1)
            before, rows = rows, await rows_of(databases, tenant)
            if before == rows:
                return rows


async def test_no_field_shows_another_organization(world: World, databases: Databases) -> None:
    acme, rival, platform = world.acme, world.rival, world.platform
    unlimited = replace(platform.gateway_settings.defence, costs=NO_LIMIT)
    leaks: list[Any] = []
    answered: Counter[str] = Counter()
    async with platform.another(defence=unlimited) as anyone:
        own = documents_of(acme, world.plan, "query", "subscription")
        foreign = documents_of(rival, world.plan, "query", "subscription")
        callers = {who: anyone.signed_in(acme.credential(who)) for who in WHO}
        callers["customer"] = await platform.customer("ann@example.com")
        callers["customer"] = anyone.signed_in(str(callers["customer"].token))
        callers["nobody"] = anyone
        seen_by_owner: set[str] = set()
        for who, client in callers.items():
            inside = who in WHO
            for documents, is_own in ((own, True), (foreign, False)):
                for name, document, used in documents:
                    text = await ask(client, document)
                    answered[who] += '"errors"' not in text
                    hidden = dict(rival.marks)
                    hidden |= forbidden(acme, who) if inside else acme.marks
                    given = {mark: value for mark, value in hidden.items() if value not in used}
                    if found := found_in(text, given):
                        leaks.append((who, name, "own" if is_own else "foreign", found, text[:400]))
                    if who == "owner" and is_own:
                        seen_by_owner |= found_in(text, acme.marks)
        await staff_sees_no_secret(world, anyone, leaks)
    assert not leaks, as_lines(leaks)
    # The owner sees their own, so the marks are there to be seen, and the documents request them.
    visible = {name for name in acme.marks if not name.startswith("secret")}
    assert sorted(visible - seen_by_owner) == sorted(NOT_IN_THE_SCHEMA)
    assert answered["owner"] > answered["nobody"] > 5


# Marks of what no query returns.
NOT_IN_THE_SCHEMA = ("link.buyer.id",)  # the links of one eSIM are listed: those of the owner's


async def staff_sees_no_secret(world: World, anyone: Client, leaks: list[Any]) -> None:
    """Support and finance staff read organizations and orders, but no eSIM, traveler or secret."""
    hidden = of_kinds(world.acme.marks, "esim", "secret", "link")
    documents = documents_of(world.acme, world.plan, "query")
    for role in STAFF:
        token = await world.platform.auth.token(f"{role}@example.com", role=role)
        for name, document, used in documents:
            text = await ask(anyone.signed_in(token), document)
            given = {mark: value for mark, value in hidden.items() if value not in used}
            if found := found_in(text, given):
                leaks.append((role, name, found, text[:400]))


async def test_no_mutation_reaches_another_organization(world: World, databases: Databases) -> None:
    acme, rival, platform = world.acme, world.rival, world.platform
    unlimited = replace(platform.gateway_settings.defence, costs=NO_LIMIT)
    before = await rows_at_rest(databases, rival)
    leaks: list[Any] = []
    async with platform.another(defence=unlimited) as anyone:
        documents = documents_of(rival, world.plan, "mutation")
        assert len(documents) > 35
        callers = {who: anyone.signed_in(acme.credential(who)) for who in WHO}
        customer = await platform.customer("ann@example.com")
        callers["customer"] = anyone.signed_in(str(customer.token))
        callers["nobody"] = anyone
        for role in STAFF:
            token = await platform.auth.token(f"{role}@example.com", role=role)
            callers[f"{role} staff"] = anyone.signed_in(token)
        for who, client in callers.items():
            # The staff reads organizations and orders.
            kinds = ("esim", "secret", "link") if who.endswith("staff") else ("",)
            hidden = of_kinds(rival.marks, *kinds)
            for name, document, used in documents:
                if who == "finance staff" and name in OF_FINANCE_STAFF:
                    continue
                text = await ask(client, document)
                given = {mark: v for mark, v in hidden.items() if v not in used}
                if found := found_in(text, given):
                    leaks.append((who, name, found, text[:400]))
                if '"success": true' in text and name not in OWN_EFFECTS:
                    leaks.append((who, name, "succeeded", text[:400]))
    assert not leaks, as_lines(leaks)
    assert sorted(await rows_of(databases, rival) ^ before) == []


# Mutations that affect the caller alone.
OWN_EFFECTS = {"topUpWallet"}
# Mutations with which the shop's finance staff acts on every organization and customer.
OF_FINANCE_STAFF = {
    *("setPriceRules", "setExchangeRates", "setTaxRates", "createCoupon", "disableCoupon"),
    *("releaseOrder", "rejectOrder", "refundOrder", "markOrderPaid", "correctWallet"),
    *("issueStatement", "recordStatementPayment", "creditStatement", "createExportLink"),
}


async def test_no_rpc_shows_or_changes_another_organization(
    world: World, databases: Databases
) -> None:
    acme, rival, platform = world.acme, world.rival, world.platform
    before = await rows_at_rest(databases, rival)
    settings = platform.gateway_settings
    addresses = {
        "orders": settings.orders_address,
        "esims": settings.esims_address,
        "catalogue": settings.catalogue_address,
    }
    tokens: dict[str, str | None] = {who: await acme.token(who) for who in WHO}
    tokens["customer"] = await platform.auth.token("ann@example.com")
    tokens["nobody"] = None
    foreign = Requests(rival.ids | {"plan_id": world.plan})
    ids = acme.ids | {"plan_id": world.plan}
    # Lists of the whole organization, as further ids would narrow them.
    whole = Requests({"organization_id": acme.id, "plan_id": world.plan}, strict=False)
    own = Requests(ids)
    # Its finance exports the eSIMs and who bought them, which it sees nowhere else.
    exported = set(of_kinds(acme.marks, "esim", "person", "key.id").values())
    leaks: list[Any] = []
    seen_by_owner: set[str] = set()
    calls = 0
    for process, service in services():
        async with rpc_client.channel(addresses[process]) as channel:
            for method in service.methods:
                reading = method.name.startswith(READS)
                for who, token in tokens.items():
                    for requests in (foreign, own, whole) if reading else (foreign,):
                        request, used = requests.of(method)
                        answer = await call(channel, service, method, request, token)
                        calls += 1
                        hidden = dict(rival.marks)
                        hidden |= forbidden(acme, who) if who in WHO else acme.marks
                        if who == "finance" and method.name.startswith("Export"):
                            hidden = {m: v for m, v in hidden.items() if v not in exported}
                        given = {m: v for m, v in hidden.items() if v not in used}
                        if found := found_in(answer.text, given):
                            leaks.append((who, method.name, found, answer.text[:300]))
                        if requests is foreign and not refused(method.name, answer):
                            leaks.append((who, method.name, answer.code, answer.text[:300]))
                        if who == "owner" and requests is not foreign:
                            seen_by_owner |= found_in(answer.text, acme.marks)
                            if requests is own and answer.code is INVALID:
                                leaks.append((method.name, "the request is of no use", answer))
    assert not leaks, as_lines(leaks)
    assert calls > 500
    visible = {name for name in acme.marks if not name.startswith("secret")}
    # The links of one eSIM are listed: those of the owner's.
    assert sorted(visible - seen_by_owner) == ["link.buyer.id"]
    assert sorted(await rows_of(databases, rival) ^ before) == []


READS = ("List", "Get", "BatchList", "BatchGet", "Watch", "Validate", "Check", "Quote", "Export")


def refused(method: str, answer: Answer) -> bool:
    """True if a call with the ids of another organization was refused for that, or returned nothing of it."""
    if answer.code in REFUSALS or method in OWN_METHODS:
        return True
    return answer.code is grpc.StatusCode.OK and method.startswith(READS)


INVALID = grpc.StatusCode.INVALID_ARGUMENT
REFUSALS = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,  # declared, and not served yet
}
# Methods that change something of the caller's own.
OWN_METHODS = ("TopUpWallet", "CreateExportLink")
