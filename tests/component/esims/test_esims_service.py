"""The service process: bounded waiting, restarts, and a refusal to start without an API key."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from services.esims.settings import Settings
from tests.component.esims.running import OpenService, buy
from tests.fixtures.sandboxes import ProviderSandbox


async def test_a_call_does_not_wait_for_a_slow_provider(
    provider: ProviderSandbox, open_service: OpenService
) -> None:
    delivered = await buy(provider)
    # Longer than any test runs: only a call that doesn't wait for it can pass.
    fault = {"path": "/esims/*", "delay_seconds": 600, "count": 0}
    await provider.control("POST", "/faults", fault)
    async with open_service(read_wait=0.1) as service:
        (esim,) = await service.register(delivered)
        usage = await service.usage(esim)
        assert (usage.active_bundles, usage.HasField("as_of")) == (0, False)
        assert (await service.get(esim)).status == pb.ESIM_STATUS_ASSIGNED
    # Leaving the block stopped the service during its refreshes.
    await provider.control("DELETE", "/faults")


async def test_stored_esims_survive_a_restart(
    provider: ProviderSandbox, open_service: OpenService
) -> None:
    delivered = await buy(provider)
    received: list[list[str]] = []
    for _ in range(2):
        async with open_service() as service:
            if not received:
                await service.register(delivered)
            answer = await service.ask(service.stub.ListESIMs, pb.ListESIMsRequest())
            received.append([esim.iccid for esim in answer.esims])
    assert received[0] == received[1] == [delivered.esims[0]["iccid"]]


async def test_an_unavailable_provider_fails_only_calls_that_need_it(
    settings: Settings, provider: ProviderSandbox, open_service: OpenService
) -> None:
    delivered = await buy(provider)
    # A port without a listener.
    away = replace(settings.provider, base_url="http://127.0.0.1:9")
    async with open_service(provider=away) as service:
        (esim,) = await service.register(delivered)
        for method, request in (
            (service.stub.GetLocation, pb.GetLocationRequest(esim_id=esim.id)),
            (service.stub.SuspendESIM, pb.SuspendESIMRequest(esim_id=esim.id)),
            (service.stub.UpdateESIMReference, pb.UpdateESIMReferenceRequest(esim_id=esim.id)),
            (service.stub.RefreshESIM, pb.RefreshESIMRequest(esim_id=esim.id)),
        ):
            with pytest.raises(Failure) as caught:
                await service.ask(method, request)
            assert caught.value.kind is Kind.UNAVAILABLE
        assert (await service.get(esim)).status == pb.ESIM_STATUS_ASSIGNED


def test_the_service_refuses_to_start_without_a_key_and_names_all_missing_settings() -> None:
    bare = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    ended = subprocess.run(
        [sys.executable, "-m", "services.esims"],
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "eSIM Go API key not configured: set ESIM_GO_API_KEY" in ended.stderr
    for name in ("ESIMS_DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"):
        assert name in ended.stderr
