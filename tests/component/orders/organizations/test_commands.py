"""`esimgo organizations` with the real service."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import grpc
import pytest

from protos.orders.v1 import organizations_pb2 as pb
from protos.orders.v1 import organizations_pb2_grpc
from services.orders.__main__ import serve
from tests.component.orders.shop import Shop
from tests.fixtures.local.command import Run, esimgo, printed
from tests.fixtures.patience import PATIENCE

LINK = "https://shop.example.com/join#{token}"
ID = re.compile(r"[0-9a-f-]{36}")


@pytest.fixture
async def address(shop: Shop) -> AsyncIterator[str]:
    async with shop.serving(serve, replace(shop.settings, invitation_url=LINK)) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def run(shop: Shop, address: str) -> Run:
    return partial(
        esimgo,
        "organizations",
        ORDERS_ADDRESS=address,
        SUPABASE_SERVICE_ROLE_KEY=shop.auth.service_role_key,
    )


async def test_an_operator_brings_a_company_in_and_removes_a_member(
    shop: Shop, address: str, run: Run
) -> None:
    options = ("--currency", "eur", "--billing", "invoice", "--credit", "5000", "--country", "de")
    created = await printed(
        run, "create", "Acme", *options, "--tax-id", "DE136695976", "--address", "1 Main Street"
    )
    found = ID.search(created)
    assert found, created
    acme = found[0]
    assert f"esimgo organizations invite {acme} EMAIL --role owner" in created
    links = {
        email: (await printed(run, "invite", acme, email, "--role", role)).splitlines()[1]
        for email, role in (("ann@example.com", "owner"), ("bob@example.com", "buyer"))
    }
    shown = await printed(run, "show", acme)
    assert "Acme: active" in shown
    assert "owes 0 EUR, 0 EUR reserved, of 5000 EUR" in shown
    assert "1 Main Street, DE; tax id DE136695976" in shown
    assert shown.count("@example.com") == 2
    async with grpc.aio.insecure_channel(address) as channel:
        service = organizations_pb2_grpc.OrganizationsServiceStub(channel)
        for email, link in links.items():
            assert link.startswith("https://shop.example.com/join#")
            request = pb.AcceptInvitationRequest(token=link.partition("#")[2])
            session = await shop.session(email)
            await service.AcceptInvitation(request, metadata=session, timeout=PATIENCE)
    members = json.loads(await printed(run, "members", acme, "--json"))
    assert [(one["email"], one["role"]) for one in members] == [
        ("ann@example.com", "OWNER"),
        ("bob@example.com", "BUYER"),
    ]
    ann, bob = (one["user_id"] for one in members)
    assert "every service refuses them" in await printed(run, "remove", acme, bob)
    last = await run("remove", acme, ann)
    assert (last.returncode, "LAST_OWNER" in last.stderr) == (1, True)
    assert "bob@example.com" not in await printed(run, "members", acme)


async def test_an_operator_suspends_and_resumes(run: Run) -> None:
    acme = json.loads(await printed(run, "create", "Acme", "--currency", "USD", "--json"))["id"]
    for _ in range(2):
        assert "is suspended" in await printed(run, "suspend", acme)
    assert "suspended" in await printed(run, "list")
    assert "can buy again" in await printed(run, "resume", acme)
    assert "active" in await printed(run, "list")


async def test_an_operator_changes_only_what_is_named(run: Run) -> None:
    options = ("--currency", "EUR", "--billing", "invoice", "--credit", "5000", "--country", "DE")
    created = await printed(run, "create", "Acme", *options, "--tax-id", "DE136695976", "--json")
    acme = json.loads(created)["id"]
    changed = await printed(run, "update", acme, "--credit", "7500", "--name", "Acme Ltd")
    assert "Acme Ltd: active" in changed
    assert "owes 0 EUR, 0 EUR reserved, of 7500 EUR" in changed
    assert "DE; tax id DE136695976" in changed
    others = ("--tax-id", "", "--billing", "prepaid", "--time-zone", "Europe/Berlin")
    found = json.loads(await printed(run, "update", acme, *others, "--json"))
    names = ("name", "tax_id", "country", "billing", "time_zone", "locale")
    assert [found[name] for name in names] == [
        *("Acme Ltd", "", "DE", "PREPAID", "Europe/Berlin", "en")
    ]
    nothing = await run("update", acme)
    assert (nothing.returncode, "name what to change" in nothing.stderr) == (2, True)
    wrong = await run("update", acme, "--credit", "5")
    assert (wrong.returncode, "unless billing is INVOICE" in wrong.stderr) == (1, True)


async def test_wrong_options_say_what_to_do(run: Run) -> None:
    credit = await run("create", "Acme", "--currency", "EUR", "--credit", "5")
    assert (credit.returncode, "--billing invoice" in credit.stderr) == (2, True)
    currency = await run("create", "Acme", "--currency", "XYZ")
    assert (currency.returncode, "ISO 4217" in currency.stderr) == (1, True)
    unknown = await run("show", "00000000-0000-4000-8000-000000000000")
    assert (unknown.returncode, "ORGANIZATION_NOT_FOUND" in unknown.stderr) == (1, True)
