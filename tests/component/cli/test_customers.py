"""Export and erasure of one customer's data across every service; other customers stay untouched."""

import asyncio
import json
import subprocess
from typing import Any
from uuid import UUID

import pytest

from cli.errors import CommandError
from cli.operators.customers import open_owners
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2, organizations_pb2
from protos.webhooks.v1 import webhooks_pb2
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub
from services.orders.organizations.membership import MemberRole
from tests.fixtures.local.command import esimgo
from tests.fixtures.organizations import add_member, create_organization
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.two_customers import BY_WORKERS, NAME, TwoCustomers, use_data

NOBODY = UUID(int=0)


async def erased(two_customers: TwoCustomers, user: UUID) -> str:
    async with open_owners(two_customers.access) as owners:
        return await owners.erase(user)


def secrets_of(order: Any) -> list[str]:
    """The values that only the owner may see."""
    return [esim["activationCode"].rsplit("$", 1)[1] for esim in order["esims"]]


async def test_the_export_contains_everything_stored_about_a_customer(
    two_customers: TwoCustomers,
) -> None:
    async def export(user: UUID) -> "subprocess.CompletedProcess[str]":
        command = ("customers", "export", "--user", str(user))
        return await esimgo(*command, **two_customers.environment)

    done = await export(two_customers.ann)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    order = two_customers.orders[two_customers.ann]
    iccids = {esim["iccid"] for esim in order["esims"]}
    assert [row["id"] for row in given["orders"]["esim_orders"]] == [order["id"]]
    assert {row["iccid"] for row in given["orders"]["order_esims"]} == iccids
    assert {row["iccid"] for row in given["esims"]["esims"]} == iccids
    assert len(given["esims"]["esim_bundles"]) == 2
    assert {row["iccid"] for row in given["webhooks"]["inbox"]} == iccids
    assert NAME in done.stdout
    assert all(secret in done.stdout for secret in secrets_of(order))
    (bob,) = (user for user in two_customers.orders if user != two_customers.ann)
    others = [str(bob), *(esim["iccid"] for esim in two_customers.orders[bob]["esims"])]
    assert not [text for text in others if text in done.stdout]

    unknown = await export(UUID(int=7))
    assert unknown.returncode == 1
    assert "nothing is stored about a customer" in unknown.stderr


async def test_an_erasure_removes_the_person_from_every_table_and_no_one_else(
    two_customers: TwoCustomers,
) -> None:
    order = two_customers.orders[two_customers.ann]
    before = await two_customers.rows()
    mine = [str(two_customers.ann), NAME.replace("'", "''"), NAME, *secrets_of(order)]
    assert any(text in row for rows in before.values() for row in rows for text in mine)

    assert (
        await erased(two_customers, two_customers.ann)
        == "erased from 1 orders, 2 eSIMs, 8 callbacks"
    )

    after = await two_customers.rows()
    left = {
        name: [text for row in rows for text in mine if text in row] for name, rows in after.items()
    }
    assert not any(left.values()), left
    iccids = [esim["iccid"] for esim in order["esims"]]
    assert not [body for body in after["bodies"] if any(iccid in body for iccid in iccids)]
    # Records of sales and payments stay, without the customer's id.
    sale = await two_customers.databases.admin.fetchrow(
        "select customer_id, status, total_price, provider_reference from orders.esim_orders where id = $1",
        UUID(order["id"]),
    )
    assert sale is not None
    assert sale["customer_id"] == NOBODY
    assert sale["status"] == "COMPLETED"
    assert sale["provider_reference"]
    assert sale["total_price"] > 0
    hers = [order["id"], *iccids, *(esim["id"] for esim in order["esims"])]
    for name, rows in before.items():
        others = {row for row in rows if not any(text in row for text in [*mine, *hers])}
        if name not in BY_WORKERS | {"webhooks.inbox", "webhooks.deliveries"}:
            assert others <= set(after[name]), name
    (bob,) = (user for user in two_customers.orders if user != two_customers.ann)
    async with open_owners(two_customers.access) as owners:
        given = await owners.export(bob)
    assert len(given["webhooks"]["inbox"]) == 8
    assert len(given["esims"]["esims"]) == 2


async def test_an_interrupted_erasure_can_be_repeated(two_customers: TwoCustomers) -> None:
    order = two_customers.orders[two_customers.ann]
    iccids = [esim["iccid"] for esim in order["esims"]]
    # The state that a command leaves when it is killed before its last call.
    async with open_owners(two_customers.access) as owners:
        gone = await rpc_client.call(
            owners.orders.stub.EraseCustomer,
            orders_pb2.EraseCustomerRequest(customer_id=str(two_customers.ann)),
            token=two_customers.access.key,
            timeout=PATIENCE,
        )
    assert (gone.orders, set(gone.iccids)) == (1, set(iccids))
    async with rpc_client.channel(two_customers.access.addresses["webhooks"]) as channel:
        answer = await rpc_client.call(
            WebhooksServiceStub(channel).EraseEvents,
            webhooks_pb2.EraseEventsRequest(iccids=iccids),
            token=two_customers.access.key,
            timeout=PATIENCE,
        )
    assert answer.events == 8
    assert (
        await erased(two_customers, two_customers.ann)
        == "erased from 0 orders, 2 eSIMs, 0 callbacks"
    )
    assert (
        await erased(two_customers, two_customers.ann)
        == "erased from 0 orders, 0 eSIMs, 0 callbacks"
    )


async def test_later_provider_data_does_not_restore_erased_data(
    two_customers: TwoCustomers,
) -> None:
    order = two_customers.orders[two_customers.ann]
    await erased(two_customers, two_customers.ann)
    await use_data(two_customers.platform, two_customers.databases, order, 450, 1)
    rows = await two_customers.databases.admin.fetch(
        "select matching_id, smdp_address, customer_ref, msisdn, last_country, follow_at"
        " from esims.esims where customer_id = $1",
        NOBODY,
    )
    assert len(rows) == 2
    assert {tuple(row) for row in rows} == {("", "", "", "", "", None)}
    # The reference is cleared at the provider too.
    await two_customers.databases.until(
        "select count(*) = 0 from esims.esims where reference_due_at is not null"
    )
    world = two_customers.platform.provider.world
    names = {esim.customer_ref for esim in world.esims}
    assert NAME not in names
    assert "Bob's phone" in names


async def test_an_erased_customer_sees_no_orders_and_esims(two_customers: TwoCustomers) -> None:
    await erased(two_customers, two_customers.ann)
    answer = await two_customers.clients[two_customers.ann].ask(
        "{ myESIMs { id } orders: myOrders { id } }"
    )
    assert answer.data == {"myESIMs": [], "orders": []}


async def test_nothing_is_erased_while_an_order_is_in_progress(two_customers: TwoCustomers) -> None:
    await two_customers.databases.admin.execute(
        "update orders.esim_orders set next_run_at = now() + interval '1 hour' where customer_id = $1",
        two_customers.ann,
    )
    order_id = two_customers.orders[two_customers.ann]["id"]
    before = await two_customers.records()
    with pytest.raises(CommandError, match=f"nothing was erased: .*{order_id}"):
        await erased(two_customers, two_customers.ann)
    # A client that calls the service directly is refused too.
    async with open_owners(two_customers.access) as owners:
        with pytest.raises(Failure, match=f"nothing was erased: .*{order_id}"):
            await rpc_client.call(
                owners.orders.stub.EraseCustomer,
                orders_pb2.EraseCustomerRequest(customer_id=str(two_customers.ann)),
                token=two_customers.access.key,
                timeout=PATIENCE,
            )
    assert await two_customers.records() == before


async def test_an_order_opened_during_an_erasure_stops_it_before_any_deletion(
    two_customers: TwoCustomers,
) -> None:
    order_id = two_customers.orders[two_customers.ann]["id"]
    admin = two_customers.databases.admin
    before = await two_customers.records()
    async with open_owners(two_customers.access) as owners:
        # The order opens in a transaction that began before the erasure locks its rows.
        async with admin.transaction():
            await admin.execute(
                "update orders.esim_orders set next_run_at = now() + interval '1 hour' where id = $1",
                UUID(order_id),
            )
            erasing = asyncio.create_task(owners.erase(two_customers.ann))
            await until(lambda: waiting_for_a_lock(two_customers))
        with pytest.raises(CommandError, match=f"nothing was erased: .*{order_id}"):
            await erasing
    after = await two_customers.records()
    assert {n: r for n, r in after.items() if n != "orders.esim_orders"} == {
        n: r for n, r in before.items() if n != "orders.esim_orders"
    }


async def waiting_for_a_lock(two_customers: TwoCustomers) -> bool:
    await two_customers.databases.admin.execute("select pg_stat_clear_snapshot()")
    return bool(
        await two_customers.databases.admin.fetchval(
            "select count(*) from pg_stat_activity where usename = 'orders_service'"
            " and datname = current_database() and wait_event_type = 'Lock'"
        )
    )


async def test_an_esim_of_an_order_placed_during_an_erasure_stays(
    two_customers: TwoCustomers,
) -> None:
    first, second = (e["iccid"] for e in two_customers.orders[two_customers.ann]["esims"])
    async with open_owners(two_customers.access) as owners:
        answer = await rpc_client.call(
            owners.esims.stub.EraseCustomer,
            esims_pb2.EraseCustomerRequest(customer_id=str(two_customers.ann), iccids=[first]),
            token=two_customers.access.key,
            timeout=PATIENCE,
        )
    assert answer.esims == 1
    left = await two_customers.databases.admin.fetch(
        "select iccid from esims.esims where customer_id = $1", two_customers.ann
    )
    assert [row["iccid"] for row in left] == [second]


async def test_administrators_can_neither_export_nor_erase_raw_callbacks(
    two_customers: TwoCustomers,
) -> None:
    admin = await two_customers.platform.auth.token("root@example.com", admin=True)
    iccids = [esim["iccid"] for esim in two_customers.orders[two_customers.ann]["esims"]]
    async with rpc_client.channel(two_customers.access.addresses["webhooks"]) as channel:
        stub = WebhooksServiceStub(channel)
        with pytest.raises(Failure) as erasing:
            await rpc_client.call(
                stub.EraseEvents,
                webhooks_pb2.EraseEventsRequest(iccids=iccids),
                token=admin,
                timeout=PATIENCE,
            )
        with pytest.raises(Failure) as exporting:
            request = webhooks_pb2.ExportEventsRequest(iccids=iccids)
            await anext(rpc_client.stream(stub.ExportEvents, request, token=admin))
    assert {erasing.value.kind, exporting.value.kind} == {Kind.FORBIDDEN}
    async with open_owners(two_customers.access) as owners:
        assert len((await owners.export(two_customers.ann))["webhooks"]["inbox"]) == 8


async def test_a_traveler_is_exported_and_erased_by_the_address_of_a_membership(
    two_customers: TwoCustomers,
) -> None:
    platform, admin = two_customers.platform, two_customers.databases.admin
    async with rpc_client.channel(two_customers.access.addresses["orders"]) as channel:
        acme = await create_organization(
            platform.auth,
            channel,
            roles=(MemberRole.OWNER,),
            currency="USD",
            billing=organizations_pb2.BILLING_CARD,
        )
        ann = await add_member(platform.auth, acme, MemberRole.BUYER, "ann@example.com")
    assert ann.user_id == two_customers.ann
    owner = platform.client.signed_in(acme.owner.token)
    (esim,) = (await platform.buy(owner, organizationId=acme.id))["esims"]
    await owner.ask(
        """mutation($id: ID!) { assignESIM(esimId: $id, traveler: {name: "A. N.", email: "Ann@example.com"}) {
             success } }""",
        id=esim["id"],
    )
    async with open_owners(two_customers.access) as owners:
        given = await owners.export(two_customers.ann)
        assert [row["name"] for row in given["esims"]["travelers"]] == ["A. N."]
        await owners.erase(two_customers.ann)
    left = await admin.fetchval(
        "select count(*) from esims.travelers where name <> '' or email <> ''"
    )
    assert left == 0
