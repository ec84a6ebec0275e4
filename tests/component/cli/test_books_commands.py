"""`esimgo books`, run by a shell against the whole platform."""

import json
from functools import partial
from typing import Any

import pytest

from tests.fixtures.local.command import Run, esimgo
from tests.fixtures.postgres import Databases
from tests.fixtures.two_customers import TwoCustomers


@pytest.fixture
async def run(two_customers: TwoCustomers) -> Run:
    """Run a command with a session of the finance staff."""
    auth = two_customers.platform.auth
    token = await auth.token("finance@example.com", role="finance")
    return partial(esimgo, "books", **two_customers.environment, ESIMGO_TOKEN=token)


async def test_the_books_are_read_and_compared(
    two_customers: TwoCustomers, databases: Databases, run: Run
) -> None:
    await databases.until("select not exists (select from orders.unposted_orders)")
    order = two_customers.orders[two_customers.ann]["id"]
    accounts = await run("accounts", "--json")
    balances = {one["account"]: one["balance"]["amount"] for one in json.loads(accounts.stdout)}
    assert float(balances["cost"]) > 0
    assert float(balances["clearing:provider"]) == -float(balances["cost"])
    before = await run("accounts", "--at", "2020-01-01")
    assert before.stdout == "no account\n"

    ledger = await run("ledger", "--order", order, "--json")
    found: Any = json.loads(ledger.stdout)
    assert {one["kind"] for one in found} == {"SALE", "COST"}
    table = (await run("ledger", "--account", "revenue", "--most", "1")).stdout.splitlines()
    assert table[0].split() == ["at", "kind", "account", "amount", "order", "by"]
    assert [row.split()[-1] for row in table[1:2]] == ["books"]
    assert len(table) == 3

    agreed = await run("check")
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert "no difference in 2 orders" in agreed.stdout
    assert "not compared: the payment provider" in agreed.stdout

    await databases.admin.execute("set session_replication_role = replica")
    await databases.admin.execute(
        "update orders.ledger_transactions set key = 'x' where key = 'sale:' || $1::text", order
    )
    differs = await run("check", "--since", "2026-01-01")
    assert differs.returncode == 1
    assert f"SALE_NOT_POSTED {order}: " in differs.stdout
    assert "1 difference in" in differs.stdout
    document = json.loads((await run("check", "--json")).stdout)
    assert [one["code"] for one in document["differences"]] == ["SALE_NOT_POSTED"]
    assert document["summary"]["differences"] == 1
    wrong = await run("check", "--since", "2999-01-01")
    assert (wrong.returncode, "from_date" in wrong.stderr) == (1, True)
