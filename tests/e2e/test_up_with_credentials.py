"""`esimgo up` with an external provider, auth project and database: nothing of them is emulated."""

import asyncio
import json
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.fixtures.local.one_machine import ROOT, Starting
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, ProviderSandbox

EMAIL, PASSWORD = "owner@example.com", "correct horse battery"


@pytest.fixture
def real_machine(
    one_machine: dict[str, str], auth: Auth, provider: ProviderSandbox, databases: Databases
) -> dict[str, str]:
    """A machine with the credentials of three services that it didn't start."""
    one_machine |= {
        "ESIM_GO_API_KEY": provider.api_key,
        "ESIM_GO_BASE_URL": provider.url,
        "SUPABASE_URL": auth.url,
        "SUPABASE_ANON_KEY": auth.anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": auth.service_role_key,
        "DATABASE_URL": databases.admin_url,
        "PAYMENTS": "off",  # with credentials, the operator has to choose
    }
    return one_machine


async def command(machine: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run an `esimgo` command; returns exit status and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=machine,
    )
    out, _ = await process.communicate()
    return await process.wait(), out.decode()


def _number(bundles: Path) -> int:
    return len(json.loads(bundles.read_text()))


async def test_real_dependencies_are_used_and_no_emulator_runs(
    real_machine: dict[str, str],
    starting: Starting,
    databases: Databases,
    auth: Auth,
    http: aiohttp.ClientSession,
    few_bundles: Path,
) -> None:
    async with starting() as up:
        await up.until("myESIMs")
        commands = [" ".join(member.cmdline()) for member in up.family()]
        assert len(commands) == 5
        assert not [c for c in commands if "sandbox" in c or "postgres" in c]
        # Those of the provider in the settings, not of the sandbox that would replace it.
        found = await databases.admin.fetchval("select count(*) from catalogue.data_plans")
        assert found == _number(few_bundles)

        await _sign_up(http, auth)
        status, token = await command(
            real_machine, "token", "--email", EMAIL, "--password", PASSWORD
        )
        assert status == 0
        async with http.post(
            f"http://127.0.0.1:{real_machine['GATEWAY_PORT']}/graphql",
            json={"query": "{ myESIMs { id } }"},
            headers={"Authorization": f"Bearer {token.strip()}"},
        ) as answer:
            assert await answer.json() == {"data": {"myESIMs": []}}

        status, synced = await command(real_machine, "catalogue", "sync")
        assert status == 0
        read = re.search(r"read (\d+) of (\d+) plans\n(\d+) plans: ", synced)
        assert read, synced
        assert len(set(read.groups())) == 1
        assert "0 new, 0 changed, 0 withdrawn" in synced
        status, report = await command(real_machine, "doctor")
        assert (status, "WRONG" in report) == (0, False), report
        assert await up.stop() == 0


async def test_a_real_project_issues_no_token_without_a_password(
    real_machine: dict[str, str],
) -> None:
    status, output = await command(real_machine, "token", "--email", EMAIL, "--admin")
    assert status == 1
    assert "add --password" in output
    assert "app_metadata" in output


async def test_the_doctor_names_a_refused_key_a_missing_migration_and_a_dead_redis(
    real_machine: dict[str, str], databases: Databases
) -> None:
    await databases.admin.execute("delete from migrations.applied where name = '003_create_esims'")
    real_machine |= {
        "ESIM_GO_API_KEY": "another-key",
        "SUPABASE_SERVICE_ROLE_KEY": "another-secret",
        # Port 1 has no listener.
        "REDIS_URL": "redis://:hidden-password@127.0.0.1:1/0",
    }
    status, report = await command(real_machine, "doctor")
    assert status == 1
    assert "WRONG  the provider refuses the key" in report
    assert "refuses SUPABASE_SERVICE_ROLE_KEY" in report
    assert "WRONG  the database lacks 003_create_esims\n       -> run `make migrate`" in report
    assert "WRONG  Redis does not answer" in report
    for secret in ("another-key", "another-secret", "hidden-password"):
        assert secret not in report


async def test_the_doctor_reports_unreachable_dependencies(real_machine: dict[str, str]) -> None:
    real_machine |= {
        "ESIM_GO_BASE_URL": "http://127.0.0.1:1/v2.5",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "DATABASE_URL": "postgresql://postgres:hidden-password@127.0.0.1:1/postgres",
    }
    status, report = await command(real_machine, "doctor")
    assert status == 1
    assert "WRONG  the provider does not answer" in report
    assert "WRONG  no auth server answers" in report
    assert "WRONG  the database at 127.0.0.1:1 can't be reached" in report
    assert "hidden-password" not in report


async def test_esimgo_up_names_the_database_that_it_cannot_reach(
    real_machine: dict[str, str],
) -> None:
    real_machine["DATABASE_URL"] = "postgresql://postgres:hidden-password@127.0.0.1:1/postgres"
    status, output = await command(real_machine, "up")
    assert status == 1
    assert "the database at 127.0.0.1:1 can't be reached" in output
    assert "check host, login and password in DATABASE_URL" in output
    assert "is not up to date" not in output
    assert "hidden-password" not in output


async def test_migrations_and_seed_run_without_anything_else(one_machine: dict[str, str]) -> None:
    status, first = await command(one_machine, "migrate")
    assert status == 0, first
    assert "applied 001_create_data_plans" in first
    status, second = await command(one_machine, "migrate")
    assert (status, "nothing was missing" in second) == (0, True)
    status, seeded = await command(one_machine, "seed")
    assert status == 0, seeded
    assert "sample_plans" in seeded


async def test_wrong_settings_are_refused_together(one_machine: dict[str, str]) -> None:
    one_machine |= {"GATEWAY_PORT": "http", "SUPABASE_URL": "https://project.supabase.co"}
    status, output = await command(one_machine, "up")
    assert status == 2
    assert "GATEWAY_PORT" in output
    assert "set SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY" in output
    status, report = await command(one_machine, "doctor")
    assert status == 1
    assert report.count("WRONG") == 2


async def _sign_up(http: aiohttp.ClientSession, auth: Auth) -> None:
    async with http.post(
        f"{auth.url}/auth/v1/signup",
        json={"email": EMAIL, "password": PASSWORD},
        headers={"apikey": auth.anon_key},
    ) as answer:
        assert answer.status == 200
