"""Lists of an organization with 100,000 eSIMs: every role's page uses an index, and takes under 50 ms."""

import json
import time
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
PROMISE = 0.050
# The best of some: others use the machine too.
TRIES = 7
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
        spent, counting = [], []
        for _ in range(TRIES):
            began = time.perf_counter()
            page = await list_store.list_page(large, criteria, tuple(late), 100)  # type: ignore[arg-type]
            spent.append(time.perf_counter() - began)
            began = time.perf_counter()
            assert await list_store.count(large, criteria) == list_store.MAX_COUNTED  # type: ignore[arg-type]
            counting.append(time.perf_counter() - began)
        assert len(page) == 100
        assert min(spent) < PROMISE, spent
        assert min(counting) < PROMISE, counting
        print(f"late: {min(spent) * 1000:.1f} ms, count: {min(counting) * 1000:.1f} ms")  # noqa: T201


async def test_a_page_of_100_000_esims_takes_under_50_ms(
    large: "asyncpg.Connection[Any]",
) -> None:
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
            after, found, slowest = None, 0, 0.0
            while True:
                spent = []
                for _ in range(TRIES):
                    began = time.perf_counter()
                    page = await list_store.list_page(large, criteria, after, 100)  # type: ignore[arg-type]
                    spent.append(time.perf_counter() - began)
                slowest, found = max(slowest, min(spent)), found + len(page)
                if len(page) < 100 or found > 1_000:
                    break
                after = (page[-1].created_at, page[-1].id)
            assert found == min(expected, 1_100), name
            assert slowest < PROMISE, (name, slowest)
            print(f"{name}: {slowest * 1000:.1f} ms")  # noqa: T201 - shown by pytest -s
    await check_a_late_page_and_the_count(large)
