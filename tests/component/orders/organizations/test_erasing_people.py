"""Export and erasure of a person cover every table and column of orders that may hold one."""

import json
from typing import Any
from uuid import UUID

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.membership import MemberRole
from tests.component.orders.budgets.buying_for import MEMBER, Company, company, group_of
from tests.component.orders.organizations.asserting import invite, mine
from tests.component.orders.organizations.personal_columns import (
    IMPERSONAL,
    NEUTRAL,
    NOT_EXPORTED,
    OF_CUSTOMERS,
    PEOPLE,
)
from tests.component.orders.shop import Shop
from tests.fixtures.api_keys import create_key
from tests.fixtures.organizations import Member, add_member
from tests.fixtures.rpc.refusals import refused

EMAIL = "ann.erased@example.com"
NAME = "Ann Erased"
COLUMNS = """
select c.relname::text as relation, a.attname::text as name, format_type(a.atttypid, null) as kind
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'orders' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
"""
WORDS = {"uuid", "text", "jsonb", "text[]", "inet", "json", "character varying"}


async def test_every_table_and_column_is_known(shop: Shop) -> None:
    rows = await shop.databases.admin.fetch(COLUMNS)
    tables = {row["relation"] for row in rows}
    assert tables == OF_CUSTOMERS | IMPERSONAL | set(PEOPLE)
    for table, people in PEOPLE.items():
        wordy = {r["name"] for r in rows if r["relation"] == table and r["kind"] in WORDS}
        assert wordy - NEUTRAL == set(people), f"{table}: fill, export and erase the column"
        assert not set(people) & NEUTRAL


async def fill(acme: Company, ann: Member) -> None:
    """Make the person known to every column of PEOPLE, and check that."""
    admin, owner, id_ = acme.shop.databases.admin, acme.acme.owner, str(ann.user_id)
    group = await group_of(acme, "Sales", ann)
    await invite(acme.acme, ann, "other@example.com")
    await acme.set_budget(5000, MEMBER, user_id=id_)
    await acme.buy(ann, "key", group_id=group, customer_reference="trip to Rome")
    key = await create_key(acme.channel, acme.acme)
    await admin.execute(
        """
        with batch as (
            insert into orders.batches (customer_id, organization_id, group_id, idempotency_key, fingerprint,
                name, error_policy, currency, cancelled_at, cancelled_by, finished_at)
            values ($1, $2::text::uuid, $3::text::uuid, 'key', '',
                'Rome', 'SKIP_FAILED', 'USD', now(), $4, now())
            returning id
        ), planned as (
            insert into orders.batch_orders (batch_id, n, plan_id, quantity, amount, state)
            select id, 1, gen_random_uuid(), 1, 5, 'CANCELLED' from batch returning id, batch_id
        )
        insert into orders.batch_items
            (batch_id, position, batch_order_id, quantity, traveler_name, traveler_email, traveler_user_id)
        select batch_id, 1, id, 1, $5, $6, $1 from planned
        """,
        *(ann.user_id, acme.acme.id, group, id_, NAME, EMAIL),
    )
    # What another person's action would have written.
    await admin.execute("set session_replication_role = replica")
    for table, column in (
        ("organizations", "created_by"),
        ("members", "added_by"),
        ("groups", "created_by"),
        ("budgets", "created_by"),
        ("budgets", "updated_by"),
        ("api_keys", "created_by"),
    ):
        await admin.execute(f"update orders.{table} set {column} = $1", id_)  # noqa: S608 - constants
    await admin.execute(
        "update orders.api_keys set revoked_at = now(), revoked_by = $2 where id = $1::text::uuid",
        key.api_key.id,
        id_,
    )
    await admin.execute(
        """insert into orders.members (organization_id, user_id, role, until, added_by, removed_by)
           values ($1::text::uuid, $2, 'BUYER', now(), 'x', $3)""",
        acme.acme.id,
        owner.user_id,
        id_,
    )
    await admin.execute(
        """
        with statement as (
            insert into orders.statements (n, organization_id, month, starts_at, ends_at, time_zone, currency,
                total, tax, due_on, name, billing_address, country, tax_id, locale, issuer, payable_to)
            values (1, $1::text::uuid, '2025-01-01', '2025-01-01', '2025-02-01', 'UTC', 'USD',
                5, 0, '2025-03-01', 'Acme', '', '', '', 'en', '', '') returning id
        ), line as (
            insert into orders.statement_lines (statement_id, position, ledger_transaction_id, kind, at,
                order_id, customer_id, description, reference, quantity, amount, tax)
            select s.id, 1, gen_random_uuid(), 'CHARGE', now(), o.id, $2, 'Italy', 'trip to Rome', 1, 5, 0
            from statement s, orders.esim_orders o where o.customer_id = $2
        )
        insert into orders.statement_settlements (statement_id, kind, amount, key, paid_on, actor)
        select id, 'PAYMENT', 1, 'k', '2025-03-01', $3 from statement
        """,
        acme.acme.id,
        ann.user_id,
        id_,
    )
    await admin.execute(
        """insert into orders.order_events (order_id, to_status, actor, reason, note)
           select id, status, $2, 'rejected', 'looks like fraud' from orders.esim_orders
           where customer_id = $1""",
        ann.user_id,
        str(owner.user_id),
    )
    await admin.execute("set session_replication_role = origin")
    values = {"id": id_, "email": EMAIL, "name": NAME}
    for table, columns in PEOPLE.items():
        for column, kind in columns.items():
            query = f"select count(*) from orders.{table} where {column}::text = $1"  # noqa: S608 - constants
            assert await admin.fetchval(query, values[kind]), (table, column)


async def rows_of(shop: Shop) -> dict[str, list[str]]:
    tables = {row["relation"] for row in await shop.databases.admin.fetch(COLUMNS)}
    found = {}
    for table in sorted(tables):
        query = f"select t::text as row from orders.{table} t"  # noqa: S608 - names of the catalog
        found[table] = [row["row"] for row in await shop.databases.admin.fetch(query)]
    return found


async def erase(acme: Company, user_id: UUID) -> orders_pb2.EraseCustomerResponse:
    request = orders_pb2.EraseCustomerRequest(customer_id=str(user_id))
    return await acme.orders.EraseCustomer(request, metadata=acme.shop.service_key)


async def export(acme: Company, user_id: UUID) -> dict[str, list[Any]]:
    request = orders_pb2.ExportCustomerRequest(customer_id=str(user_id))
    found: dict[str, list[Any]] = {}
    async for one in acme.orders.ExportCustomer(request, metadata=acme.shop.service_key):
        found.setdefault(one.table, []).append(json.loads(one.row_json))
    return found


async def test_a_person_is_exported_and_erased_from_every_column(shop: Shop) -> None:
    async with company(shop) as acme:
        ann = await add_member(shop.auth, acme.acme, MemberRole.MANAGER, EMAIL)
        await fill(acme, ann)
        found = await export(acme, ann.user_id)
        assert set(PEOPLE) - NOT_EXPORTED - {"batch_orders"} <= set(found)
        text = json.dumps(found)
        assert acme.acme.owner.email not in text
        assert str(acme.acme.owner.user_id) not in text
        assert "fraud" not in text
        # The codes of eSIMs that she bought for the organization stay its secrets.
        matching = await shop.databases.admin.fetchval("select matching_id from orders.order_esims")
        assert matching
        assert matching not in text

        shop.travelers.memberships.clear()
        answer = await erase(acme, ann.user_id)
        assert (answer.orders, list(answer.iccids)) == (1, [])
        (reported,) = shop.travelers.memberships
        assert (reported.user_id, reported.active) == (str(ann.user_id), False)
        # Travelers with her address have no id by which esims could find them.
        assert set(shop.travelers.erased) == {EMAIL}
        for table, rows in (await rows_of(shop)).items():
            for row in rows:
                for personal in (str(ann.user_id), EMAIL, NAME):
                    assert personal not in row, (table, row)
        line = await shop.databases.admin.fetchrow(
            "select description, reference, amount from orders.statement_lines"
        )
        assert line is not None
        assert tuple(line) == ("", "", 5)
        # The organization keeps its order, its eSIM and the reference.
        order = await shop.databases.admin.fetchrow(
            """select o.customer_reference, o.organization_id::text, e.matching_id
               from orders.esim_orders o join orders.order_esims e on e.order_id = o.id"""
        )
        assert order is not None
        assert tuple(order) == ("trip to Rome", acme.acme.id, matching)
        assert await mine(acme.acme, acme.acme.owner) == {acme.acme.id: pb.MEMBER_ROLE_OWNER}
        assert (await erase(acme, ann.user_id)).orders == 0  # may be repeated
        assert await export(acme, ann.user_id) == {}


async def test_others_keep_what_is_theirs(shop: Shop) -> None:
    async with company(shop) as acme:
        ann = await add_member(shop.auth, acme.acme, MemberRole.MANAGER, EMAIL)
        await acme.buy(acme.acme.buyer, "key")
        await acme.set_budget(5000, MEMBER, user_id=str(acme.acme.buyer.user_id))
        before = await rows_of(shop)
        await erase(acme, ann.user_id)
        after = await rows_of(shop)
        # The number of changes of memberships grows with the organization's row. Meanwhile the shop's
        # balance is read, and orders are posted.
        for table in set(before) - {"organizations", "provider_balance", "unposted_orders"}:
            others = {
                row for row in before[table] if str(ann.user_id) not in row and EMAIL not in row
            }
            assert others <= set(after[table]), table


async def test_the_only_owner_is_not_erased(shop: Shop) -> None:
    async with company(shop) as acme:
        owner = acme.acme.owner
        assert await refused(erase(acme, owner.user_id)) == "LAST_OWNER"
        assert await mine(acme.acme, owner) == {acme.acme.id: pb.MEMBER_ROLE_OWNER}
        await add_member(shop.auth, acme.acme, MemberRole.OWNER, "second@example.com")
        await erase(acme, owner.user_id)
        assert await mine(acme.acme, owner) == {}


async def test_nothing_is_erased_before_esims_knows_of_the_end(shop: Shop) -> None:
    async with company(shop) as acme:
        ann = await add_member(shop.auth, acme.acme, MemberRole.BUYER, EMAIL)
        shop.travelers.failure = Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")
        assert await refused(erase(acme, ann.user_id)) == "MEMBERSHIPS_NOT_CONFIRMED"
        assert EMAIL in "".join((await rows_of(shop))["members"])
        shop.travelers.failure = None
        await erase(acme, ann.user_id)
        assert EMAIL not in "".join((await rows_of(shop))["members"])


async def test_a_running_batch_is_not_orphaned(shop: Shop) -> None:
    async with company(shop) as acme:
        ann = await add_member(shop.auth, acme.acme, MemberRole.BUYER, EMAIL)
        await shop.databases.admin.execute(
            """insert into orders.batches (customer_id, organization_id, fingerprint, error_policy, currency)
               values ($1, $2::text::uuid, '', 'SKIP_FAILED', 'USD')""",
            ann.user_id,
            acme.acme.id,
        )
        assert await refused(erase(acme, ann.user_id)) == "BATCHES_OPEN"
        assert await mine(acme.acme, ann) == {acme.acme.id: pb.MEMBER_ROLE_BUYER}
