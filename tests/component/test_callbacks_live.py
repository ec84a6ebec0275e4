"""What the sandbox's own callbacks make of an eSIM, as its customer sees it live through two gateways."""

from contextlib import AsyncExitStack
from dataclasses import replace

import gateway.__main__
import webhooks.__main__
from kit.service_settings import SessionSettings
from tests.fixtures.neighbours import Serving
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import connected
from webhooks.settings import Settings

STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    status dataUsed dataRemaining } }"""


async def test_attachment_use_and_its_end_are_seen_live_at_two_gateways(
    platform: Platform, databases: Databases, serving: Serving
) -> None:
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
    control, iccid = platform.provider.control, esim["iccid"]
    async with AsyncExitStack() as parts:
        door = await parts.enter_async_context(serving(webhooks.__main__.serve, settings))
        url = f"http://127.0.0.1:{door}/webhooks/esim-go"
        await control("POST", "/callbacks", {"url": url})
        port = await parts.enter_async_context(
            serving(gateway.__main__.serve, platform.gateway_settings)
        )
        elsewhere = replace(ann, url=f"http://127.0.0.1:{port}")
        sockets = [await parts.enter_async_context(connected(c)) for c in (ann, elsewhere)]
        for socket in sockets:
            await socket.subscribe(STATUS, id=esim["id"])
            await socket.until("esimStatusUpdated", status="ASSIGNED")
        await control("POST", f"/esims/{iccid}/install", {})
        for step, used, status in (
            (10, 10.0, "ACTIVE"),
            (490, 500.0, "ACTIVE"),
            (300, 800.0, "ACTIVE"),
            (200, 1000.0, "EXPIRED"),
        ):
            await control("POST", f"/esims/{iccid}/use-data", {"megabytes": step, "country": "GB"})
            for socket in sockets:
                seen = await socket.until("esimStatusUpdated", status=status, dataUsed=used)
                assert seen[-1]["dataRemaining"] == 1000.0 - used
        answer = await ann.ask("query($id: ID!) { esimDetails(id: $id) { status } }", id=esim["id"])
        assert answer.data["esimDetails"] == {"status": "EXPIRED"}
