"""When a bundle ended: as the provider names it, or when that was first reported."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from migrations import files, runner
from tests.fixtures.postgres import Databases

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ESIM = """
insert into esims.esims (iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status)
values ('8900000000000000001', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ref', 'one',
    'ASSIGNED')
returning id
"""
BUNDLE = """
insert into esims.esim_bundles (esim_id, assignment_id, customer_id, name, state, ends_at, read_at)
values ($1, $2, gen_random_uuid(), 'one', $3, $4, $5)
"""
# The state, the end that the provider names, and when the bundle ended.
ENDS: list[tuple[str, datetime | None, datetime | None]] = [
    ("queued", None, None),
    ("active", AT + HOUR, None),
    ("depleted", AT + HOUR, AT),
    ("expired", AT - HOUR, AT - HOUR),
    ("expired", None, AT),
    ("lapsed", None, AT),
    ("revoked", AT - HOUR, None),
]


async def ended(admin: Any) -> dict[str, datetime | None]:
    rows = await admin.fetch("select assignment_id, ended_at from esims.esim_bundles")
    return {row["assignment_id"]: row["ended_at"] for row in rows}


async def fill(admin: Any) -> UUID:
    id_: UUID = await admin.fetchval(ESIM)
    for n, (state, ends_at, _) in enumerate(ENDS):
        await admin.execute(BUNDLE, id_, str(n), state, ends_at, AT)
    return id_


EXPECTED = {str(n): at for n, (_, _, at) in enumerate(ENDS)}


async def test_a_bundle_ends_once_unless_the_provider_corrects_it(databases: Databases) -> None:
    admin = databases.admin
    await fill(admin)
    assert await ended(admin) == EXPECTED
    # Later refreshes don't move the end.
    await admin.execute("update esims.esim_bundles set read_at = read_at + interval '1 day'")
    assert await ended(admin) == EXPECTED
    await admin.execute("update esims.esim_bundles set state = 'expired' where state = 'depleted'")
    assert await ended(admin) == EXPECTED
    await admin.execute("update esims.esim_bundles set state = 'active'")
    assert set((await ended(admin)).values()) == {None}
    await admin.execute("update esims.esim_bundles set state = 'revoked'")
    assert set((await ended(admin)).values()) == {None}


async def test_bundles_that_ended_before_the_update_have_their_end(databases: Databases) -> None:
    name = f"older_{uuid4().hex[:12]}"
    await databases.admin.execute(f"create database {name}")
    url = databases.server.url(name)
    older = [one for one in files.find() if one.name < "066_report_usage"]
    await runner.migrate(url, migrations=older)
    admin = await asyncpg.connect(url)
    try:
        await fill(admin)
        await runner.migrate(url)
        assert await ended(admin) == EXPECTED
        forced = (
            "select relforcerowsecurity from pg_class where oid = 'esims.esim_bundles'::regclass"
        )
        assert await admin.fetchval(forced)
    finally:
        await admin.close()
        await databases.admin.execute(f"drop database {name} with (force)")
