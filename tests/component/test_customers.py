"""One customer's data across every owner: all given out, the person taken out, others untouched."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import webhooks.__main__
from cli.customers import CustomersError, owners
from cli.reach import Reach
from kit import rpc_client
from kit.errors import Failure
from kit.service_settings import SessionSettings
from kit.tls import PLAIN
from protos.orders.v1 import orders_pb2
from protos.webhooks.v1 import webhooks_pb2
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub
from tests.fixtures.free_ports import free_ports
from tests.fixtures.gateway import Client
from tests.fixtures.neighbours import Serving
from tests.fixtures.platform import PATIENCE, Platform
from tests.fixtures.postgres import Databases
from webhooks.settings import Settings

ROOT = Path(__file__).parents[2]
NOBODY = UUID(int=0)
NAME = "Anna's phone"
# Callbacks about an eSIM whose data is used first: FirstAttachment, CountryChange, FirstUse, Utilisation.
FIRST_USE = 4
STATES = "select state from webhooks.deliveries"
TABLES = """
select format('%I.%I', schemaname, tablename) as name from pg_tables
where schemaname in ('catalogue', 'orders', 'esims', 'webhooks') order by 1
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Two customers, each with an order of two eSIMs, a name for one of them, and callbacks about both."""

    platform: Platform
    databases: Databases
    reach: Reach
    ann: UUID
    orders: dict[UUID, Any]
    clients: dict[UUID, Client]

    async def rows(self) -> dict[str, list[str]]:
        """Every row of every table as text, bodies of callbacks included."""
        admin = self.databases.admin
        found = {}
        for table in await admin.fetch(TABLES):
            query = f"select t::text as row from {table['name']} t"  # noqa: S608 - quoted by the server
            rows = await admin.fetch(query)
            found[table["name"]] = [row["row"] for row in rows]
        bodies = await admin.fetch("select convert_from(body, 'UTF8') as body from webhooks.inbox")
        return found | {"bodies": [row["body"] for row in bodies]}


async def told(
    platform: Platform, databases: Databases, order: Any, megabytes: int, each: int
) -> None:
    """Has so many callbacks about each of an order's eSIMs come in, and handed over."""
    before = await databases.admin.fetchval("select count(*) from webhooks.inbox")
    for esim in order["esims"]:
        path = f"/esims/{esim['iccid']}/use-data"
        await platform.provider.control("POST", path, {"megabytes": megabytes})
    async with asyncio.timeout(PATIENCE):
        while True:
            states = [row["state"] for row in await databases.admin.fetch(STATES)]
            if len(states) >= before + each * len(order["esims"]) and "PENDING" not in states:
                return
            await asyncio.sleep(0.05)


@pytest.fixture
async def stage(platform: Platform, databases: Databases, serving: Serving) -> AsyncIterator[Stage]:
    (admin_port,) = free_ports(1)
    settings = Settings(
        host="127.0.0.1",
        port=0,
        database_url=databases.url("webhooks"),
        keys=(platform.provider.api_key,),
        allow_unsigned=False,
        max_body=65_536,
        dedupe_seconds=600,
        allowed_networks=(),
        trusted_proxies=(),
        esims_address=platform.esims_address,
        orders_address=platform.orders_address,
        sessions=SessionSettings(platform.auth.url, platform.auth.service_role_key, None),
        admin_host="127.0.0.1",
        admin_port=admin_port,
        most_attempts=3,
        retention_days=90,
    )
    async with serving(webhooks.__main__.serve, settings) as port:
        url = f"http://127.0.0.1:{port}/webhooks/esim-go"
        await platform.provider.control("POST", "/callbacks", {"url": url})
        orders, clients = {}, {}
        for email in ("ann@example.com", "bob@example.com"):
            client = await platform.customer(email)
            order = await platform.buy(client, quantity=2)
            await told(platform, databases, order, 100, FIRST_USE)
            await client.ask(
                """mutation($id: ID!, $name: String!) {
                     updateESIMReference(esimId: $id, reference: $name) { success } }""",
                id=order["esims"][0]["id"],
                name=NAME if email.startswith("ann") else "Bob's phone",
            )
            user = await platform.auth.user_id(email)
            orders[user], clients[user] = order, client
        yield Stage(
            platform,
            databases,
            Reach(
                {
                    "orders": platform.orders_address,
                    "esims": platform.esims_address,
                    "webhooks": f"127.0.0.1:{admin_port}",
                },
                PLAIN,
                None,
                platform.auth.service_role_key,
            ),
            next(iter(orders)),
            orders,
            clients,
        )


async def erased(stage: Stage, user: UUID) -> str:
    async with owners(stage.reach) as doors:
        return await doors.erase(user)


def secrets_of(order: Any) -> list[str]:
    """What only its owner may have."""
    return [esim["activationCode"].rsplit("$", 1)[1] for esim in order["esims"]]


async def test_everything_that_is_kept_of_a_customer_is_given_out_by_the_command(
    stage: Stage,
) -> None:
    def run(user: UUID) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            (sys.executable, "-m", "cli", "customers", "export", "--user", str(user)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "ESIMGO_HOME": "/proc/esimgo",
                "SUPABASE_URL": stage.platform.auth.url,
                "SUPABASE_SERVICE_ROLE_KEY": stage.platform.auth.service_role_key,
                "ORDERS_ADDRESS": stage.reach.addresses["orders"],
                "ESIMS_ADDRESS": stage.reach.addresses["esims"],
                "WEBHOOKS_ADMIN_ADDRESS": stage.reach.addresses["webhooks"],
            },
        )

    done = await asyncio.to_thread(partial(run, stage.ann))
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    order = stage.orders[stage.ann]
    iccids = {esim["iccid"] for esim in order["esims"]}
    assert [row["id"] for row in given["orders"]["esim_orders"]] == [order["id"]]
    assert {row["iccid"] for row in given["orders"]["order_esims"]} == iccids
    assert {row["iccid"] for row in given["esims"]["esims"]} == iccids
    assert len(given["esims"]["esim_bundles"]) == 2
    assert {row["iccid"] for row in given["webhooks"]["inbox"]} == iccids
    assert NAME in done.stdout
    assert all(secret in done.stdout for secret in secrets_of(order))
    (bob,) = (user for user in stage.orders if user != stage.ann)
    others = [str(bob), *(esim["iccid"] for esim in stage.orders[bob]["esims"])]
    assert not [text for text in others if text in done.stdout]

    unknown = await asyncio.to_thread(partial(run, UUID(int=7)))
    assert unknown.returncode == 1
    assert "nothing is kept of a customer" in unknown.stderr


async def test_after_an_erasure_no_table_knows_the_person_and_others_are_untouched(
    stage: Stage,
) -> None:
    order = stage.orders[stage.ann]
    before = await stage.rows()
    mine = [str(stage.ann), NAME.replace("'", "''"), NAME, *secrets_of(order)]
    assert any(text in row for rows in before.values() for row in rows for text in mine)

    assert await erased(stage, stage.ann) == "erased from 1 orders, 2 eSIMs, 8 callbacks"

    after = await stage.rows()
    left = {
        name: [text for row in rows for text in mine if text in row] for name, rows in after.items()
    }
    assert not any(left.values()), left
    iccids = [esim["iccid"] for esim in order["esims"]]
    assert not [body for body in after["bodies"] if any(iccid in body for iccid in iccids)]
    # What was sold and paid stays for the books, as nobody's.
    kept = await stage.databases.admin.fetchrow(
        "select customer_id, status, total_price, provider_reference from orders.esim_orders where id = $1",
        UUID(order["id"]),
    )
    assert kept is not None
    assert kept["customer_id"] == NOBODY
    assert kept["status"] == "COMPLETED"
    assert kept["provider_reference"]
    assert kept["total_price"] > 0
    # Not a character of anybody else's rows is another.
    hers = [order["id"], *iccids, *(esim["id"] for esim in order["esims"])]
    for name, rows in before.items():
        others = {row for row in rows if not any(text in row for text in [*mine, *hers])}
        if name != "webhooks.inbox" and name != "webhooks.deliveries":
            assert others <= set(after[name]), name
    (bob,) = (user for user in stage.orders if user != stage.ann)
    async with owners(stage.reach) as doors:
        given = await doors.export(bob)
    assert len(given["webhooks"]["inbox"]) == 8
    assert len(given["esims"]["esims"]) == 2


async def test_an_erasure_may_be_broken_off_and_repeated(stage: Stage) -> None:
    order = stage.orders[stage.ann]
    iccids = [esim["iccid"] for esim in order["esims"]]
    # As far as a command came that was killed after its first call.
    async with rpc_client.channel(stage.reach.addresses["webhooks"]) as channel:
        answer = await rpc_client.call(
            WebhooksServiceStub(channel).EraseEvents,
            webhooks_pb2.EraseEventsRequest(iccids=iccids),
            token=stage.reach.key,
            timeout=PATIENCE,
        )
    assert answer.events == 8
    assert await erased(stage, stage.ann) == "erased from 1 orders, 2 eSIMs, 0 callbacks"
    assert await erased(stage, stage.ann) == "erased from 0 orders, 0 eSIMs, 0 callbacks"


async def test_what_the_provider_tells_later_brings_nothing_of_the_person_back(
    stage: Stage,
) -> None:
    order = stage.orders[stage.ann]
    await erased(stage, stage.ann)
    await told(stage.platform, stage.databases, order, 450, 1)
    rows = await stage.databases.admin.fetch(
        "select matching_id, smdp_address, customer_ref, msisdn, last_country, follow_at"
        " from esims.esims where customer_id = $1",
        NOBODY,
    )
    assert len(rows) == 2
    assert {tuple(row) for row in rows} == {("", "", "", "", "", None)}
    # The name is taken back from the provider too.
    async with asyncio.timeout(PATIENCE):
        while await stage.databases.admin.fetchval(
            "select count(*) from esims.esims where reference_due_at is not null"
        ):
            await asyncio.sleep(0.05)
    world = stage.platform.provider.world
    names = {esim.customer_ref for esim in world.esims}
    assert NAME not in names
    assert "Bob's phone" in names


async def test_the_customer_sees_nothing_any_more(stage: Stage) -> None:
    await erased(stage, stage.ann)
    answer = await stage.clients[stage.ann].ask("{ myESIMs { id } orders: myOrders { id } }")
    assert answer.data == {"myESIMs": [], "orders": []}


async def test_nothing_is_erased_while_an_order_is_worked_on(stage: Stage) -> None:
    await stage.databases.admin.execute(
        "update orders.esim_orders set next_run_at = now() + interval '1 hour' where customer_id = $1",
        stage.ann,
    )
    before = await stage.rows()
    with pytest.raises(CustomersError, match="nothing was erased: orders are worked on"):
        await erased(stage, stage.ann)
    # Nor by who asks the service itself.
    async with owners(stage.reach) as doors:
        with pytest.raises(Failure, match="1 orders of this customer are worked on"):
            await rpc_client.call(
                doors.orders.EraseCustomer,
                orders_pb2.EraseCustomerRequest(customer_id=str(stage.ann)),
                token=stage.reach.key,
                timeout=PATIENCE,
            )
    assert await stage.rows() == before
