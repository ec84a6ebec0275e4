"""Operator commands, run by a shell against the whole platform."""

import json
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.auth import accounts
from cli.errors import CommandError
from tests.fixtures.local.command import Run, printed, read
from tests.fixtures.postgres import Databases
from tests.fixtures.prices.price_lists import LISTS, set_lists
from tests.fixtures.two_customers import TwoCustomers


async def test_an_operator_finds_a_customer_by_email_and_refunds_their_order(
    two_customers: TwoCustomers, run: Run
) -> None:
    ann = str(two_customers.ann)
    order = two_customers.orders[two_customers.ann]
    # E-mail addresses are matched without case.
    (found,) = await read(run, "customers", "find", " Ann@Example.com")
    assert found.pop("created_at").startswith("20")
    assert found == {"id": ann, "email": "ann@example.com", "orders": 1, "esims": 2}
    text = await printed(run, "customers", "find", "ann@example.com")
    assert text.splitlines()[0].split() == ["id", "email", "created", "orders", "eSIMs"]
    assert ann in text
    unknown = await run("customers", "find", "nobody@example.com")
    assert unknown.returncode == 1
    assert "no account has the address nobody@example.com" in unknown.stderr

    (listed,) = await read(run, "orders", "list", "--customer", ann, "--status", "completed")
    assert (listed["id"], listed["customer_id"], listed["status"]) == (
        order["id"],
        ann,
        "COMPLETED",
    )
    assert set(listed["total_price"]) == {"amount", "currency"}
    assert listed["created_at"].endswith("Z")
    everybody = await read(run, "orders", "list", "--most", "1")
    assert len(everybody) == 1
    assert await read(run, "orders", "list", "--since", "2999-01-01") == []
    early = await run("orders", "list", "--since", "0001-01-01")
    assert (early.returncode, "0001-01-01T00:00:00 is out of range" in early.stderr) == (1, True)
    assert await printed(run, "orders", "list", "--status", "refunded") == "no such order\n"

    # The used eSIM is refused, and stays.
    refused = await run("orders", "cancel", order["id"], "--yes")
    assert refused.returncode == 1
    assert (await read(run, "orders", "show", order["id"]))["order"]["order"][
        "status"
    ] == "COMPLETED"
    unused = await two_customers.platform.buy(two_customers.clients[two_customers.ann])
    cancelled = await read(run, "orders", "cancel", unused["id"], "--yes")
    assert cancelled["order"]["status"] in ("REFUNDED", "CANCELLED")
    assert [revoked["iccid"] for revoked in cancelled["revoked"]] == [unused["esims"][0]["iccid"]]
    secret = unused["esims"][0]["activationCode"].rsplit("$", 1)[1]
    assert secret not in json.dumps([cancelled, listed, everybody])


async def test_an_operator_hides_and_unhides_a_plan_and_chooses_featured_plans(
    run: Run,
) -> None:
    first, second, *_ = await read(run, "catalogue", "list", "--most", "5")
    name = first["name"]
    assert await printed(run, "catalogue", "hide", name) == f"{name} is hidden\n"
    assert await printed(run, "catalogue", "hide", first["id"]) == f"{name} is hidden\n"
    (hidden,) = await read(run, "catalogue", "list", "--hidden")
    assert (hidden["id"], hidden["hidden"], hidden["available_quantity"]) == (first["id"], True, 0)
    on_sale = await read(run, "catalogue", "list", "--most", "5")
    assert first["id"] not in [plan["id"] for plan in on_sale]
    assert "hidden" in await printed(run, "catalogue", "show", name)
    assert (await read(run, "catalogue", "unhide", name))["hidden"] is False
    assert await read(run, "catalogue", "list", "--hidden") == []

    chosen = await read(run, "catalogue", "feature", second["name"], first["id"])
    assert [plan["id"] for plan in chosen] == [second["id"], first["id"]]
    featured = await read(run, "catalogue", "list", "--featured")
    assert [plan["id"] for plan in featured] == [second["id"], first["id"]]
    assert "automatically" in await printed(run, "catalogue", "feature", "--automatic")

    missing = await run("catalogue", "hide", "esim_of_nowhere")
    assert missing.returncode == 1
    assert "esim_of_nowhere" in missing.stderr
    assert (await run("catalogue", "feature")).returncode == 2


async def test_plans_are_shown_with_the_prices_of_a_currency(
    run: Run, databases: Databases
) -> None:
    await set_lists(databases.admin, LISTS)
    for options, currency in (([], "USD"), (["--currency", "KWD"], "KWD")):
        for more in ([], ["--featured"]):
            listed = await read(run, "catalogue", "list", "--most", "2", *more, *options)
            assert {plan["price"]["currency"] for plan in listed} == {currency}
    [plan, *_] = await read(run, "catalogue", "list", "--most", "1", "--currency", "JPY")
    text = await printed(run, "catalogue", "show", plan["name"], "--currency", "JPY")
    assert f"{plan['price']['amount']} JPY" in text
    assert "10 %, included" in text
    unknown = await run("catalogue", "list", "--currency", "EUR")
    assert unknown.returncode == 1
    assert "must be USD, JPY or KWD" in unknown.stderr


async def test_every_listing_command_prints_one_json_document(run: Run) -> None:
    for arguments in (
        ("catalogue", "list"),
        ("orders", "list"),
        ("orders", "stuck"),
        ("orders", "unexplained"),
        ("webhooks", "list"),
    ):
        assert isinstance(await read(run, *arguments), list), arguments
    none = await printed(run, "webhooks", "list", "--state", "dead")
    assert none == "no such callback\n"
    events = await read(run, "webhooks", "list", "--most", "1")
    assert (await read(run, "webhooks", "show", events[0]["id"]))["event"] == events[0]
    assert sum(count["events"] for count in (await read(run, "webhooks", "stats"))["counts"]) == 16


async def test_a_customer_is_found_on_any_page_and_only_by_the_full_address(
    two_customers: TwoCustomers, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PER_PAGE", 2)
    auth = two_customers.platform.auth
    for number in range(7):
        await auth.user_id(f"{number}@example.com")
    for email in ("0@example.com", "3@example.com", "6@example.com", "bob@example.com"):
        (found,) = await accounts.find(http, auth.url, auth.service_role_key, email.upper())
        assert UUID(found.id) == await auth.user_id(email)
    for part in ("example.com", "", "%", "b@example.com"):
        assert await accounts.find(http, auth.url, auth.service_role_key, part) == []
    with pytest.raises(CommandError, match="refused the service role key"):
        await accounts.find(http, auth.url, "some-other-key-of-a-project", "0@example.com")


async def test_the_search_ends_at_a_server_without_pagination(http: aiohttp.ClientSession) -> None:
    async def users(request: web.Request) -> web.Response:
        one = {"id": "1", "email": "a@example.com", "created_at": "2026-01-01T00:00:00Z"}
        return web.json_response({"users": [one, {"id": "2", "email": None}]})

    application = web.Application()
    application.router.add_get("/auth/v1/admin/users", users)
    async with TestServer(application) as server:
        found = await accounts.find(http, str(server.make_url("")), "key", "a@example.com")
    assert [account.id for account in found] == ["1"]


async def test_an_operator_creates_lists_and_disables_coupons(run: Run) -> None:
    options = ("--amount", "0.50", "--currency", "usd", "--max-loss", "0.50", "--budget", "100")
    created = await read(run, "coupons", "create", "spring-26", *options, "--per-customer", "1")
    assert (created["code"], created["max_uses"], created["percent"]) == ("SPRING-26", 0, None)
    assert created["amount"] == {"amount": "0.5", "currency": "USD"}
    ending = ("--ends", "2099-06-01", "--country", "FR", "--max-uses", "5")
    text = await printed(run, "coupons", "create", "TEN", "--percent", "10", *ending)
    assert text.startswith("TEN was created: ")
    table = (await printed(run, "coupons", "list")).splitlines()
    assert table[0].split()[:3] == ["id", "code", "reduction"]
    assert "10 %" in table[1]
    assert "0 of 5" in table[1]
    assert "0.5 USD" in table[2]
    assert (await read(run, "coupons", "disable", "ten"))["disabled"]
    disabled = await printed(run, "coupons", "disable", created["id"])
    assert disabled.startswith("SPRING-26 is disabled")
    assert [coupon["disabled"] for coupon in await read(run, "coupons", "list")] == [True, True]

    taken = await run("coupons", "create", "TEN", "--percent", "5")
    assert (taken.returncode, "already" in taken.stderr) == (1, True)
    unknown = await run("coupons", "disable", "NONE")
    assert (unknown.returncode, "no coupon has the id or code NONE" in unknown.stderr) == (1, True)
    for wrong in ((), ("--percent", "5", "--amount", "5"), ("--amount", "five")):
        assert (await run("coupons", "create", "X-1", *wrong)).returncode == 2
    without = await run("coupons", "create", "X-1", "--amount", "5")
    assert (without.returncode, "--currency" in without.stderr) == (1, True)
