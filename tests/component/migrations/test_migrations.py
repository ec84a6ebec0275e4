"""Migrations run once and in order, from any folder, and on a Supabase database as well."""

import asyncio
import uuid

import asyncpg
import pytest

from migrations import files, runner
from migrations.files import Migration
from tests.fixtures.postgres import Databases, Server


def test_migrations_start_with_roles_and_the_documented_tables() -> None:
    assert [m.name for m in files.find()][:5] == [
        "000_create_roles",
        "001_create_data_plans",
        "002_create_esim_orders",
        "003_create_esims",
        "004_create_esim_bundles",
    ]


async def test_a_second_run_changes_nothing(empty: str) -> None:
    first = await runner.migrate(empty)
    assert first == [m.name for m in files.find()]
    assert await runner.migrate(empty) == []
    assert await runner.pending(empty) == []


async def test_two_runners_at_once_apply_each_file_once(empty: str) -> None:
    results = await asyncio.gather(*(runner.migrate(empty) for _ in range(3)))
    assert sorted(name for names in results for name in names) == [m.name for m in files.find()]


async def test_a_changed_file_is_refused(empty: str) -> None:
    await runner.migrate(empty)
    changed = [Migration(m.name, m.sql + "\n-- edited") for m in files.find()]
    with pytest.raises(runner.MigrationError, match="000_create_roles was changed"):
        await runner.migrate(empty, migrations=changed)


async def test_an_older_version_does_not_run_on_a_newer_database(empty: str) -> None:
    await runner.migrate(empty)
    with pytest.raises(runner.MigrationError, match="this version lacks"):
        await runner.migrate(empty, migrations=files.find()[:-1])


async def test_a_failing_file_leaves_nothing_behind(empty: str) -> None:
    broken = [Migration("900_half", "create table half (id int); select 1/0;")]
    with pytest.raises(runner.MigrationError, match="900_half failed and changed nothing"):
        await runner.migrate(empty, migrations=broken)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select to_regclass('half')") is None
    await connection.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://me:hidden-word@127.0.0.1:1/db",
            "the database at 127.0.0.1:1 can't be reached",
        ),
        (
            "postgresql://me:hidden-word@/db?host=/nowhere",
            "the database at /nowhere can't be reached",
        ),
        ("postgresql://me:hidden-word/s@127.0.0.1:1/db", "not an address of PostgreSQL"),
        (
            "postgresql://me:12/hidden-word@127.0.0.1:1/db",
            "the database at the host of DATABASE_URL",
        ),
        ("postgresql://me@[hidden-word/db", "not an address of PostgreSQL"),
    ],
)
async def test_an_unreachable_database_is_named_without_its_password(
    url: str, message: str
) -> None:
    with pytest.raises(runner.UnreachableError, match=message) as refusal:
        await runner.migrate(url)
    assert "hidden-word" not in str(refusal.value)


async def test_a_refused_login_is_reported_with_the_reason(empty: str) -> None:
    with pytest.raises(runner.UnreachableError, match='role "nobody" does not exist'):
        await runner.pending(empty.replace("postgres@", "nobody@", 1))


async def test_sample_plans_can_be_seeded_twice(empty: str) -> None:
    await runner.migrate(empty)
    await runner.seed(empty)
    await runner.seed(empty)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select count(*) from catalogue.data_plans") > 0
    await connection.close()


SUPABASE = """
create role {admin} login createrole createdb;
do $$ begin
    if not exists (select from pg_roles where rolname = 'authenticated') then
        create role anon nologin noinherit;
        create role authenticated nologin noinherit;
        create role service_role nologin noinherit bypassrls;
        create role supabase_auth_admin noinherit createrole nologin;
    end if;
end $$;
grant anon, authenticated, service_role to {admin} with admin option;
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to {admin}, anon, authenticated, service_role;
create function auth.uid() returns uuid language sql stable as $f$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid $f$;
create function auth.jwt() returns jsonb language sql stable as $f$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb $f$;
alter function auth.uid() owner to supabase_auth_admin;
alter function auth.jwt() owner to supabase_auth_admin;
grant create on database {database} to {admin} with grant option;
"""


async def test_a_supabase_database_keeps_its_own_auth_functions(
    empty: str, postgres: Server
) -> None:
    """Its `postgres` login is no superuser and owns neither the auth schema nor its functions."""
    admin = f"supabase_{uuid.uuid4().hex[:8]}"
    root = await asyncpg.connect(empty)
    database = await root.fetchval("select current_database()")
    await root.execute(SUPABASE.format(admin=admin, database=database))
    # The roles of this server were made by a superuser; on Supabase the login itself makes them.
    for role in ("esimgo_owner", *_service_roles()):
        await root.execute(f"grant {role} to {admin} with admin option")
    assert await runner.migrate(postgres.url(database, admin)) == [m.name for m in files.find()]
    owner = await root.fetchval(
        "select rolname from pg_proc join pg_roles on pg_roles.oid = proowner"
        " where pg_proc.oid = 'auth.uid()'::regprocedure"
    )
    assert owner == "supabase_auth_admin"
    await root.execute(f"drop owned by {admin} cascade")
    await root.execute(f"drop role {admin}")
    await root.close()


def _service_roles() -> list[str]:
    owners = ("catalogue", "orders", "esims", "webhooks")
    return [f"{owner}_{kind}" for owner in owners for kind in ("service", "user", "system")]


OWNED_TABLES = """
select format('%I.%I', nspname, relname) as name, relrowsecurity and relforcerowsecurity as forced,
       pg_get_userbyid(relowner) as owner
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname in ('catalogue', 'orders', 'esims', 'webhooks', 'provider') and relkind in ('r', 'p')
"""


async def test_row_security_is_enabled_and_forced_on_every_table(databases: Databases) -> None:
    tables = await databases.admin.fetch(OWNED_TABLES)
    assert len(tables) >= 5
    assert [table["name"] for table in tables if not table["forced"]] == []
    assert {table["owner"] for table in tables} == {"esimgo_owner"}


async def test_even_the_owner_of_the_tables_sees_no_row(databases: Databases) -> None:
    await runner.seed(databases.admin_url)
    await databases.admin.execute("set role esimgo_owner")
    assert await databases.admin.fetchval("select count(*) from catalogue.data_plans") == 0


@pytest.mark.parametrize("owner", ["catalogue", "orders", "esims", "webhooks"])
async def test_a_login_reaches_tables_only_through_its_own_roles(
    databases: Databases, owner: str
) -> None:
    tables = await databases.admin.fetch(OWNED_TABLES)
    login = await asyncpg.connect(databases.url(owner))
    try:
        for role in (f"{owner}_service", f"{owner}_user", f"{owner}_system"):
            await login.execute(f"set role {role}")
            for table in tables:
                own = table["name"].startswith(f"{owner}.") and role != f"{owner}_service"
                allowed = await login.fetchval(
                    "select has_schema_privilege($1, 'usage')"
                    " and has_table_privilege($2, 'select, insert, update, delete')",
                    table["name"].split(".")[0],
                    table["name"],
                )
                assert not allowed or own, (role, table["name"])
        for other in {"catalogue", "orders", "esims", "webhooks"} - {owner}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(f"set role {other}_system")
    finally:
        await login.close()


# These read the orders once, in a transaction of their own.
INDEXES = {"051_find_orders_of_organizations", "059_find_orders_of_batches"}


async def test_the_prices_of_orders_are_added_without_reading_the_orders(empty: str) -> None:
    """The table is locked meanwhile, so nothing may take longer for a larger one."""
    names = [m.name for m in files.find()]
    before = [m for m in files.find() if m.name < "040"]
    assert names[len(before)].startswith("040_")
    await runner.migrate(empty, migrations=before)
    connection = await asyncpg.connect(empty)
    await connection.execute(ORDERS)
    file = await connection.fetchval(FILE)
    for migration in files.find()[len(before) :]:
        async with connection.transaction():
            # A session's counts include those of its last transactions that it has not reported yet.
            earlier = await connection.fetchval(READ)
            await connection.execute(migration.sql)
            read = await connection.fetchval(READ) - earlier
            assert read == 0 or migration.name in INDEXES, migration.name
    assert await connection.fetchval(FILE) == file  # not rewritten
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update orders.esim_orders set discount = -1")
    await connection.close()


ORDERS = """
insert into orders.esim_orders
    (customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency)
select gen_random_uuid(), gen_random_uuid(), 'bundle', 1, 1, 1, 'USD' from generate_series(1, 100)
"""
FILE = "select pg_relation_filenode('orders.esim_orders')"
READ = """
select seq_scan + seq_tup_read + coalesce(idx_scan, 0) from pg_stat_xact_user_tables
where schemaname = 'orders' and relname = 'esim_orders'
"""
