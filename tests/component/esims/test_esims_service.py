"""The service process: bounded waiting, restarts, and a refusal to start without an API key."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import esims_pb2_grpc
from services.esims.__main__ import serve
from services.esims.settings import Settings
from tests.component.esims.conftest import buy, registration
from tests.fixtures.neighbours import Auth, PlayedProvider, Serving
from tests.fixtures.patience import PATIENCE


async def test_a_call_does_not_wait_for_a_provider_that_is_slow(
    settings: Settings, auth: Auth, provider: PlayedProvider, serving: Serving
) -> None:
    customer, token = await auth.user_id("ada@example.com"), await auth.token("ada@example.com")
    delivered = await buy(provider)
    # Longer than any test runs: only a call that doesn't wait for it can pass.
    fault = {"path": "/esims/*", "delay_seconds": 600, "count": 0}
    await provider.control("POST", "/faults", fault)
    async with serving(serve, replace(settings, read_wait=0.1)) as port:
        channel = rpc_client.channel(f"127.0.0.1:{port}")
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        (esim,) = (
            await rpc_client.call(
                stub.RegisterESIMs,
                registration(delivered, customer),
                token=auth.service_role_key,
                timeout=PATIENCE,
            )
        ).esims
        answer = await rpc_client.call(
            stub.BatchGetUsage,
            pb.BatchGetUsageRequest(esim_ids=[esim.id]),
            token=token,
            timeout=PATIENCE,
        )
        (usage,) = answer.usages
        assert (usage.active_bundles, usage.HasField("as_of")) == (0, False)
        got = await rpc_client.call(
            stub.GetESIM, pb.GetESIMRequest(esim_id=esim.id), token=token, timeout=PATIENCE
        )
        assert got.esim.status == pb.ESIM_STATUS_ASSIGNED
        await channel.close()
    # Leaving the block stopped the service during its refreshes.
    await provider.control("DELETE", "/faults")


async def test_what_was_kept_is_there_after_a_restart(
    settings: Settings, auth: Auth, provider: PlayedProvider, serving: Serving
) -> None:
    customer, token = await auth.user_id("ada@example.com"), await auth.token("ada@example.com")
    seen: list[list[str]] = []
    request = registration(await buy(provider), customer)
    for _ in range(2):
        async with serving(serve, settings) as port:
            channel = rpc_client.channel(f"127.0.0.1:{port}")
            stub = esims_pb2_grpc.ESIMsServiceStub(channel)
            if not seen:
                await rpc_client.call(
                    stub.RegisterESIMs, request, token=auth.service_role_key, timeout=PATIENCE
                )
            answer = await rpc_client.call(
                stub.ListESIMs, pb.ListESIMsRequest(), token=token, timeout=PATIENCE
            )
            seen.append([esim.iccid for esim in answer.esims])
            await channel.close()
    assert seen[0] == seen[1] == [request.esims[0].iccid]


async def test_a_provider_that_is_away_is_told_where_only_it_can_answer(
    settings: Settings, auth: Auth, provider: PlayedProvider, serving: Serving
) -> None:
    customer, token = await auth.user_id("ada@example.com"), await auth.token("ada@example.com")
    delivered = await buy(provider)
    # A port without a listener.
    away = replace(settings, provider=replace(settings.provider, base_url="http://127.0.0.1:9"))
    async with serving(serve, away) as port:
        channel = rpc_client.channel(f"127.0.0.1:{port}")
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        (esim,) = (
            await rpc_client.call(
                stub.RegisterESIMs,
                registration(delivered, customer),
                token=auth.service_role_key,
                timeout=PATIENCE,
            )
        ).esims
        for method, request in (
            (stub.GetLocation, pb.GetLocationRequest(esim_id=esim.id)),
            (stub.SuspendESIM, pb.SuspendESIMRequest(esim_id=esim.id)),
            (stub.UpdateESIMReference, pb.UpdateESIMReferenceRequest(esim_id=esim.id)),
            (stub.RefreshESIM, pb.RefreshESIMRequest(esim_id=esim.id)),
        ):
            with pytest.raises(Failure) as caught:
                await rpc_client.call(method, request, token=token, timeout=PATIENCE)
            assert caught.value.kind is Kind.UNAVAILABLE
        got = await rpc_client.call(
            stub.GetESIM, pb.GetESIMRequest(esim_id=esim.id), token=token, timeout=PATIENCE
        )
        assert got.esim.status == pb.ESIM_STATUS_ASSIGNED
        await channel.close()


def test_it_does_not_start_without_a_key_and_names_all_that_is_missing() -> None:
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
