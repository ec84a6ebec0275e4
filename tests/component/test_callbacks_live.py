"""What the sandbox's own callbacks make of an eSIM, as its customer sees it live through two gateways."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

import gateway.__main__
import webhooks.__main__
from kit.service_settings import SessionSettings
from tests.fixtures.gateway import Client
from tests.fixtures.neighbours import Serving
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import Socket, connected
from webhooks.settings import Settings

STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    status dataUsed dataRemaining } }"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A customer with one eSIM, who follows it at two gateways."""

    customer: Client
    esim: dict[str, Any]
    sockets: list[Socket]
    control: Callable[..., Awaitable[Any]]

    async def both_see(self, **wanted: Any) -> Any:
        """Waits until both gateways tell of it; gives what the last one told."""
        for socket in self.sockets:
            seen = await socket.until("esimStatusUpdated", **wanted)
        return seen[-1]

    async def details(self) -> Any:
        """The eSIM as a query shows it."""
        answer = await self.customer.ask(
            "query($id: ID!) { esimDetails(id: $id) {"
            " status deletionDate bundles { state } usage { totalRemaining } } }",
            id=self.esim["id"],
        )
        return answer.data["esimDetails"]


@pytest.fixture
async def stage(platform: Platform, databases: Databases, serving: Serving) -> AsyncIterator[Stage]:
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
        admin_port=0,
        most_attempts=3,
        retention_days=90,
    )
    ann = await platform.customer("ann@example.com")
    (esim,) = (await platform.buy(ann))["esims"]
    async with AsyncExitStack() as parts:
        door = await parts.enter_async_context(serving(webhooks.__main__.serve, settings))
        url = f"http://127.0.0.1:{door}/webhooks/esim-go"
        await platform.provider.control("POST", "/callbacks", {"url": url})
        port = await parts.enter_async_context(
            serving(gateway.__main__.serve, platform.gateway_settings)
        )
        elsewhere = replace(ann, url=f"http://127.0.0.1:{port}")
        sockets = [await parts.enter_async_context(connected(c)) for c in (ann, elsewhere)]
        for socket in sockets:
            await socket.subscribe(STATUS, id=esim["id"])
            await socket.until("esimStatusUpdated", status="ASSIGNED")
        yield Stage(ann, esim, sockets, platform.provider.control)


async def test_attachment_use_and_its_end_are_seen_live_at_two_gateways(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/install", {})
    for step, used, status in (
        (10, 10.0, "ACTIVE"),
        (490, 500.0, "ACTIVE"),
        (300, 800.0, "ACTIVE"),
        (200, 1000.0, "EXPIRED"),
    ):
        await stage.control("POST", f"{act}/use-data", {"megabytes": step, "country": "GB"})
        seen = await stage.both_see(status=status, dataUsed=used)
        assert seen["dataRemaining"] == 1000.0 - used
    assert (await stage.details())["status"] == "EXPIRED"


async def test_time_that_runs_out_is_seen_live_though_no_callback_tells_of_it(
    stage: Stage,
) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await stage.both_see(status="ACTIVE", dataUsed=10.0)
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_see(status="EXPIRED")
    details = await stage.details()
    assert (details["status"], details["bundles"]) == ("EXPIRED", [{"state": "EXPIRED"}])


async def test_an_idle_esim_is_announced_for_deletion_and_deleted_live(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await stage.both_see(status="ACTIVE", dataUsed=10.0)
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_see(status="EXPIRED")
    assert (await stage.details())["deletionDate"] is None
    await stage.control("POST", "/clock/advance", {"days": 180})
    await stage.both_see(status="EXPIRED")  # told again, as it changed: now the date stands there
    assert (await stage.details())["deletionDate"] is not None
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_see(status="CANCELLED")
    assert (await stage.details())["status"] == "CANCELLED"
