"""Subscriptions to eSIMs: the current state, then every visible change, of the caller's own eSIMs only."""

from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import BUNDLE, Service, at_provider
from tests.component.esims.watching import watching


async def rename(service: Service, esim: pb.ESIM, reference: str) -> None:
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference=reference)
    await service.ask(service.stub.UpdateESIMReference, request)


async def drain_notifications(service: Service, esim: pb.ESIM) -> None:
    """Change the eSIM and wait for it, after which no earlier notice can still arrive."""
    async with watching(service, esim) as stream:
        await stream.next()
        await rename(service, esim, "changed")
        while (await stream.next())[0].esim.customer_ref != "changed":
            pass


async def refused(service: Service, token: str | None = None, **fields: Any) -> Failure:
    request = pb.WatchESIMsRequest(**fields)
    stream = rpc_client.stream(service.stub.WatchESIMs, request, token=token or service.token)
    with pytest.raises(Failure) as caught:
        await anext(stream)
    return caught.value


async def test_a_watcher_receives_the_esim_and_every_change(service: Service) -> None:
    (esim,) = await service.deliver()
    async with watching(service, esim) as stream:
        (now,) = await stream.next()
        assert (now.esim.id, now.esim.status) == (esim.id, pb.ESIM_STATUS_ASSIGNED)
        await service.ask(service.stub.SuspendESIM, pb.SuspendESIMRequest(esim_id=esim.id))
        suspended = await stream.until(pb.ESIM_STATUS_SUSPENDED)
        assert suspended.esim.last_action == "Suspended"
        await service.ask(service.stub.RestoreESIM, pb.RestoreESIMRequest(esim_id=esim.id))
        await stream.until(pb.ESIM_STATUS_ASSIGNED)


async def test_a_watcher_receives_usage_until_the_data_is_used_up(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "install")
    async with watching(service, esim) as stream:
        await stream.next()
        for used, status in ((250, pb.ESIM_STATUS_ACTIVE), (750, pb.ESIM_STATUS_EXPIRED)):
            await service.device(esim, "use-data", megabytes=used, country="GB")
            await service.usage_from_now(esim)
            received = await stream.until(status)
        # The expired bundle still shows how much was used.
        assert (received.data_used_mb, received.data_remaining_mb) == (1000, 0)
        assert received.updated_at.ToDatetime() >= received.esim.updated_at.ToDatetime()


@pytest.mark.parametrize("unlimited", [True, False])
async def test_remaining_data_of_a_new_plan_is_unknown_until_the_first_refresh(
    service: Service, unlimited: bool
) -> None:
    plans = service.provider.world.catalogue.all()
    bundle = next(b.name for b in plans if b.unlimited) if unlimited else BUNDLE
    (esim,) = await service.deliver(bundle=bundle)
    fault = {"path": "/esims/*", "status": 500, "count": 0}
    await service.provider.control("POST", "/faults", fault)
    async with watching(service, esim) as stream:
        (first,) = await stream.next()
        assert not first.HasField("data_used_mb")
        assert not first.HasField("data_remaining_mb")
    await service.provider.control("DELETE", "/faults")
    await service.bundles(esim)
    async with watching(service, esim) as stream:
        (now,) = await stream.next()
        assert now.HasField("data_remaining_mb") is not unlimited
        assert now.HasField("data_used_mb") is not unlimited
        if not unlimited:
            assert (now.data_used_mb, now.data_remaining_mb) == (0, 1000)


async def test_a_watched_stale_esim_is_refreshed_from_the_provider(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    await service.age(400)
    at_provider(service.provider, esim.iccid).state = "suspended"
    async with watching(service, esim) as stream:
        assert (await stream.next())[0].esim.status == pb.ESIM_STATUS_ASSIGNED
        await stream.until(pb.ESIM_STATUS_SUSPENDED)


async def test_a_watcher_of_all_esims_receives_new_ones_too(service: Service) -> None:
    async with watching(service) as stream:
        assert await stream.next() == []
        esims = await service.deliver(2)
        reported: set[str] = set()
        while reported != {
            esim.id for esim in esims
        }:  # in one message or several, as the notices arrive
            reported |= {received.esim.id for received in await stream.next()}
    async with watching(service, token=service.stranger) as stream:
        assert await stream.next() == []
    async with watching(service, token=service.admin, customer_id=str(service.customer)) as stream:
        assert {received.esim.id for received in await stream.next()} == {esim.id for esim in esims}


async def test_changes_that_the_watcher_cannot_see_are_not_sent(service: Service) -> None:
    one, other = await service.deliver(2)
    await service.bundles(one, other)
    await drain_notifications(service, other)
    async with watching(service, one) as stream:
        await stream.next()
        await service.age(400)
        await service.bundles(one)  # refreshed without a change
        await service.ask(service.stub.SuspendESIM, pb.SuspendESIMRequest(esim_id=other.id))
        await rename(service, one, "trip")
        (received,) = await stream.next()
        assert received.esim.customer_ref == "trip"


async def test_another_customers_esim_is_not_found(service: Service) -> None:
    (esim,) = await service.deliver()
    failure = await refused(service, service.stranger, esim_ids=[esim.id])
    assert (failure.kind, failure.reason) == (Kind.NOT_FOUND, "ESIM_NOT_FOUND")
    mixed = [esim.id, "00000000-0000-4000-8000-000000000000"]
    assert (await refused(service, esim_ids=mixed)).reason == "ESIM_NOT_FOUND"


async def test_invalid_watch_requests_are_refused(service: Service) -> None:
    customer = str(service.customer)
    another = "00000000-0000-4000-8000-000000000000"
    assert (await refused(service, customer_id=another)).kind is Kind.FORBIDDEN
    for fields, token, path in (
        ({"esim_ids": ["x"]}, service.token, "esim_ids"),
        ({"esim_ids": [customer] * 101}, service.token, "esim_ids"),
        ({}, service.admin, "customer_id"),
        ({"esim_ids": [customer], "customer_id": customer}, service.admin, "customer_id"),
    ):
        failure = await refused(service, token, **fields)
        assert failure.kind is Kind.INVALID
        assert any(name.startswith(path) for name in failure.fields), failure.fields


async def test_changes_during_lost_notifications_are_sent_afterwards(service: Service) -> None:
    (esim,) = await service.deliver()
    async with watching(service, esim) as stream:
        await stream.next()
        admin = service.databases.admin
        await admin.execute("alter table esims.esims disable trigger notify_change")
        await admin.execute("update esims.esims set customer_ref = 'unheard'")
        await admin.execute("alter table esims.esims enable trigger notify_change")
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'esimgo_esims listener' and datname = current_database()"
        )
        while (await stream.next())[0].esim.customer_ref != "unheard":
            pass
