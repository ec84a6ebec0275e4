"""The platform behind PgBouncer in transaction mode, as behind Supabase's pooler."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from kit.auth.sessions import Role, Session
from kit.process.settings import ServiceSettings
from kit.values.env import Env
from providers.esim_go.queue import Priority
from providers.esim_go.shared_tokens import SharedTokens
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.programs.pooler import pooler
from tests.fixtures.sockets import connected

# Fewer connections than the processes open, so that they must share.
LENT = 2


@pytest.fixture
async def databases(databases: Databases) -> AsyncIterator[Databases]:
    async with pooler(databases, lent=LENT) as server:
        yield replace(databases, pooler=server)


async def test_a_customer_buys_and_subscribes_through_a_pooler(platform: Platform) -> None:
    customer = await platform.customer("ann@example.com")
    async with connected(customer) as socket:
        await socket.subscribe("subscription { myESIMsUpdated { id status } }")
        assert await socket.data() == {"myESIMsUpdated": []}
        bought = await asyncio.gather(*(platform.buy(customer) for _ in range(5)))
        delivered = {esim["id"] for order in bought for esim in order["esims"]}
        assert len(delivered) == 5
        received: set[str] = set()
        while received != delivered:
            received |= {esim["id"] for esim in (await socket.data())["myESIMsUpdated"]}


async def test_sessions_share_pooled_connections_and_leave_no_claims(
    databases: Databases,
) -> None:
    async with databases.open("webhooks", pooled=True) as database:

        async def look(role: Role) -> tuple[str, str, int]:
            async with database.session(Session(role, None, {"sub": ""}, "", None)) as connection:
                row = await connection.fetchrow(
                    "select current_user as login, pg_backend_pid() as backend,"
                    " current_setting('request.jwt.claims', true) as claims"
                )
                assert row is not None
                return row["login"], row["claims"], row["backend"]

        results = await asyncio.gather(
            *(look(role) for role in (Role.CUSTOMER, Role.SERVICE) for _ in range(10))
        )
    assert [login for login, _, _ in results] == ["webhooks_user"] * 10 + ["webhooks_system"] * 10
    assert len({backend for _, _, backend in results}) <= LENT


async def test_processes_share_rate_limit_tokens_through_a_pooler(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        databases.open("orders", pooled=True) as orders,
        databases.open("esims", pooled=True) as esims,
    ):
        soon = asyncio.get_running_loop().time() + PATIENCE
        outcomes = await asyncio.gather(
            *(
                SharedTokens(database, timeout=PATIENCE, window=3_600_000).take(
                    1, 10, Priority.WRITE, soon
                )
                for database in (orders, esims)
                for _ in range(20)
            ),
            return_exceptions=True,
        )
    assert outcomes.count(None) == 10
    assert caplog.messages == []


def test_a_listening_service_requires_a_direct_database_url() -> None:
    env = Env({"DATABASE_POOLER": "transaction"})
    ServiceSettings.read(env, "orders", 50052)
    assert any("set ORDERS_LISTEN_DATABASE_URL to PostgreSQL" in text for text in env.problems)
