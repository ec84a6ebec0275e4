"""Lists of an organization with 100,000 eSIMs: every role's page uses an index, and reads few blocks."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.esims import list_store
from services.esims.list_store import Filter
from tests.fixtures.postgres import Databases

ESIMS = 100_000
OF_OTHERS = 50_000
# Blocks that a page or a count may read; the table and its indexes have many thousands.
MOST = 1_000
# After five executions, PostgreSQL may use a plan for any parameters.
TRIES = 7
BLOCKS = """
select sum(pg_stat_get_xact_blocks_fetched(oid)) from (
    select 'esims.esims'::regclass as oid
    union all select indexrelid from pg_index where indrelid = 'esims.esims'::regclass
) read
"""
OWNER, BUYER, TRAVELER = (UUID(int=n) for n in (1, 2, 3))
ORGANIZATION, GROUP = UUID(int=10), UUID(int=11)
# One in a thousand is the buyer's, the traveler's and the group's, and lies anywhere among the others.
FILL = """
insert into esims.esims (
    iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status, created_at, organization_id,
    group_id, traveler_id, traveler_user_id
)
select (8944000000000000000 + n)::text, case when n % 1000 = 7 then $2::uuid else $1 end, gen_random_uuid(),
    gen_random_uuid(), 'order', 'bundle', 'ASSIGNED', now() - n * interval '1 minute', $4,
    case when n % 1000 = 8 then $5::uuid end, case when n % 1000 = 9 then t.id end,
    case when n % 1000 = 9 then $3::uuid end
from generate_series(1, $6::int) n, esims.travelers t
"""
# All newer than those of the organization.
FILL_OTHERS = """
insert into esims.esims (
    iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status, created_at
)
select (8945000000000000000 + n)::text, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'order',
    'bundle', 'ASSIGNED', now() + n * interval '1 second'
from generate_series(1, $1::int) n
"""


@pytest.fixture
async def large(databases: Databases) -> "asyncpg.Connection[Any]":
    admin = databases.admin
    await admin.execute(
        "insert into esims.travelers (organization_id, name, user_id) values ($1, 'Tara', $2)",
        ORGANIZATION,
        TRAVELER,
    )
    for version, (user, role) in enumerate(
        ((OWNER, "OWNER"), (BUYER, "BUYER"), (TRAVELER, "TRAVELER")), 1
    ):
        await admin.execute(
            "insert into esims.memberships (organization_id, user_id, role, active, version)"
            " values ($1, $2, $3, true, $4)",
            ORGANIZATION,
            user,
            role,
            version,
        )
    await admin.execute("set session_replication_role = replica")  # triggers would report each row
    await admin.execute(FILL, OWNER, BUYER, TRAVELER, ORGANIZATION, GROUP, ESIMS)
    await admin.execute(FILL_OTHERS, OF_OTHERS)
    await admin.execute("set session_replication_role = origin")
    await admin.execute("vacuum analyze esims.esims")
    return admin


async def seen_as(connection: Any, user: UUID) -> None:
    await connection.execute("set local role esims_user")
    claims = json.dumps({"sub": str(user), "role": "authenticated"})
    await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)


# Who lists, what they list, how many eSIMs that are, and the index that finds them.
LISTS: Sequence[tuple[str, UUID, Filter, int, str]] = (
    ("all", OWNER, Filter(organization_id=ORGANIZATION), ESIMS, "esims_of_organization"),
    ("group", OWNER, Filter(organization_id=ORGANIZATION, group_id=GROUP), 100, "esims_of_group"),
    (
        "buyer",
        BUYER,
        Filter(organization_id=ORGANIZATION, person=BUYER),
        100,
        "esims_of_buyer",
    ),
    (
        "traveler",
        TRAVELER,
        Filter(organization_id=ORGANIZATION, person=TRAVELER, buys=False),
        100,
        "esims_of_traveler_user",
    ),
    ("own", BUYER, Filter(person=BUYER), 0, "esims_own_newest"),
    ("own travels", TRAVELER, Filter(person=TRAVELER), 100, "esims_of_traveler_user"),
)


async def blocks(connection: Any) -> int:
    """Return how many blocks of the table and its indexes this transaction has read so far."""
    return int(await connection.fetchval(BLOCKS))


async def check_a_late_page_and_the_count(large: "asyncpg.Connection[Any]") -> None:
    """Measure one of the last pages of the list, and its count."""
    criteria = Filter(organization_id=ORGANIZATION)
    async with large.transaction():
        late = await large.fetchrow(
            "select created_at, id from esims.esims where organization_id is not null"
            " order by created_at desc offset 99000 limit 1"
        )
        assert late is not None
        await seen_as(large, OWNER)
        for _ in range(TRIES):
            before = await blocks(large)
            page = await list_store.list_page(large, criteria, tuple(late), 100)  # type: ignore[arg-type]
            assert len(page) == 100
            between = await blocks(large)
            assert between - before <= MOST
            assert await list_store.count(large, criteria) == list_store.MAX_COUNTED  # type: ignore[arg-type]
            assert await blocks(large) - between <= MOST


async def test_a_page_of_100_000_esims_reads_few_of_them(large: "asyncpg.Connection[Any]") -> None:
    for name, user, criteria, expected, index in LISTS:
        source, parameters = list_store.source_of(criteria)
        async with large.transaction():
            await seen_as(large, user)
            plan = await large.fetch(
                f"explain (analyze, costs off) {list_store.PAGES[source]}",
                *(None, None, 51, *list_store.FIRST, *parameters),
            )
            text = "\n".join(row[0] for row in plan)
            assert index in text, text
            assert "Seq Scan on esims" not in text, text
            after, found = None, 0
            while True:
                for _ in range(TRIES):
                    before = await blocks(large)
                    page = await list_store.list_page(large, criteria, after, 100)  # type: ignore[arg-type]
                    assert await blocks(large) - before <= MOST, name
                found += len(page)
                if len(page) < 100 or found > 1_000:
                    break
                after = (page[-1].created_at, page[-1].id)
            assert found == min(expected, 1_100), name
    await check_a_late_page_and_the_count(large)
