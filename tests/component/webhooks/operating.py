"""Commands of operators about callbacks, and what they are about."""

import asyncio
from typing import Any

from kit.rpc import client as rpc_client
from kit.telemetry import metrics
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub
from tests.component.webhooks.conftest import Platform
from tests.fixtures.local import command
from tests.fixtures.patience import PATIENCE
from webhooks.metrics import Metrics
from webhooks.upkeep import Upkeep

STRANGE = "8944500000000000001"


def attached(iccid: str) -> dict[str, str]:
    return {"alertType": "FirstAttachment", "iccid": iccid}


async def esimgo(platform: Platform, *arguments: str) -> str:
    """Run `esimgo webhooks` as an operator and return its output."""
    done = await command.esimgo(
        "webhooks",
        *arguments,
        SUPABASE_URL=platform.auth.url,
        SUPABASE_ANON_KEY=platform.auth.anon_key,
        SUPABASE_SERVICE_ROLE_KEY=platform.auth.service_role_key,
        WEBHOOKS_ADMIN_PORT=str(platform.admin_port),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def measured(platform: Platform) -> dict[tuple[str, str], float]:
    """The gauges after upkeep, by metric and state."""
    stop = asyncio.Event()
    with metrics.separate_registry() as registry:
        async with platform.databases.open("webhooks") as database:
            await Upkeep(database, Metrics(), retention_days=0, stop=stop).measure()
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


async def ask(platform: Platform, method: str, request: Any, token: str | None) -> Any:
    async with rpc_client.channel(f"127.0.0.1:{platform.admin_port}") as channel:
        stub = WebhooksServiceStub(channel)
        return await rpc_client.call(getattr(stub, method), request, token=token, timeout=PATIENCE)
