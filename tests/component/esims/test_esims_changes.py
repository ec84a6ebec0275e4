"""Suspending, restoring, references and cancellation over gRPC, with provider faults too."""

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service, at_provider

SUSPEND_PATH = {"method": "POST", "path": "/esims/*/suspend"}


async def suspend(service: Service, esim: pb.ESIM) -> pb.ESIM:
    request = pb.SuspendESIMRequest(esim_id=esim.id)
    answer: pb.SuspendESIMResponse = await service.ask(service.stub.SuspendESIM, request)
    return answer.esim


async def restore(service: Service, esim: pb.ESIM) -> pb.ESIM:
    request = pb.RestoreESIMRequest(esim_id=esim.id)
    answer: pb.RestoreESIMResponse = await service.ask(service.stub.RestoreESIM, request)
    return answer.esim


def state_at_provider(service: Service, esim: pb.ESIM) -> str:
    return str(at_provider(service.provider, esim.iccid).state)


async def test_suspend_and_restore_reach_the_provider_and_are_idempotent(service: Service) -> None:
    (esim,) = await service.deliver()
    suspended = await suspend(service, esim)
    assert (suspended.status, suspended.last_action) == (pb.ESIM_STATUS_SUSPENDED, "Suspended")
    assert state_at_provider(service, esim) == "suspended"
    again = await suspend(service, esim)
    assert again.status == pb.ESIM_STATUS_SUSPENDED
    assert again.action_date == suspended.action_date
    restored = await restore(service, esim)
    assert (restored.status, restored.last_action) == (pb.ESIM_STATUS_ASSIGNED, "Restored")
    assert state_at_provider(service, esim) == "active"
    assert (await restore(service, esim)).status == pb.ESIM_STATUS_ASSIGNED


async def test_an_active_bundle_is_suspended_with_its_esim_and_restored(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", megabytes=1)
    assert (await service.get(esim)).status == pb.ESIM_STATUS_ACTIVE
    await suspend(service, esim)
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_SUSPENDED
    assert (await restore(service, esim)).status == pb.ESIM_STATUS_ACTIVE
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_ACTIVE


async def test_a_suspension_by_policy_cannot_be_lifted(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "policy-suspend")
    with pytest.raises(Failure) as caught:
        await restore(service, esim)
    assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "POLICY_SUSPENSION")
    assert (await service.get(esim)).status == pb.ESIM_STATUS_SUSPENDED


async def test_an_expired_esim_is_not_suspendable(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", bytes=10**9)
    assert (await service.get(esim)).status == pb.ESIM_STATUS_EXPIRED
    with pytest.raises(Failure) as caught:
        await suspend(service, esim)
    assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "ESIM_NOT_SUSPENDABLE")
    assert state_at_provider(service, esim) == "active"


async def test_a_deactivated_esim_is_cancelled_and_not_suspendable(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.provider.control("POST", "/switches", {"deleted_esims": "deactivated"})
    async with service.provider.http.delete(
        f"{service.provider.url}/esims/{esim.iccid}",
        headers={"X-API-Key": service.provider.api_key},
    ) as answer:
        assert answer.status == 200
    for change in (suspend, restore):
        with pytest.raises(Failure) as caught:
            await change(service, esim)
        assert caught.value.reason == "ESIM_NOT_SUSPENDABLE"
    assert (await service.get(esim)).status == pb.ESIM_STATUS_CANCELLED


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"status": 503}])
async def test_a_lost_response_after_the_change_counts_as_success(
    service: Service, fault: dict[str, object]
) -> None:
    (esim,) = await service.deliver()
    await service.provider.control("POST", "/faults", SUSPEND_PATH | fault | {"effect": "done"})
    assert (await suspend(service, esim)).status == pb.ESIM_STATUS_SUSPENDED


async def test_a_lost_response_before_the_change_can_be_retried(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.provider.control("POST", "/faults", SUSPEND_PATH | {"status": 500})
    with pytest.raises(Failure) as caught:
        await suspend(service, esim)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "SUSPENSION_UNCONFIRMED")
    assert (await service.get(esim)).status == pb.ESIM_STATUS_ASSIGNED
    assert (await suspend(service, esim)).status == pb.ESIM_STATUS_SUSPENDED


async def test_a_reference_reaches_the_provider_and_is_idempotent(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="Grandma's trip ✈")
    for _ in range(2):
        answer = await service.ask(service.stub.UpdateESIMReference, request)
        assert answer.esim.customer_ref == "Grandma's trip ✈"
    assert at_provider(service.provider, esim.iccid).customer_ref == "Grandma's trip ✈"
    assert (await service.get(esim)).customer_ref == "Grandma's trip ✈"


async def test_a_reference_that_the_provider_stored_without_a_response_is_stored(
    service: Service,
) -> None:
    (esim,) = await service.deliver()
    fault = {"method": "PUT", "path": "/esims", "drop": True, "effect": "done"}
    await service.provider.control("POST", "/faults", fault)
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="Rome")
    answer = await service.ask(service.stub.UpdateESIMReference, request)
    assert answer.esim.customer_ref == "Rome"


async def test_a_reference_that_the_provider_did_not_store_is_not_stored(service: Service) -> None:
    (esim,) = await service.deliver(customer_ref="before")
    fault = {"method": "PUT", "path": "/esims", "status": 500, "count": 0}
    await service.provider.control("POST", "/faults", fault)
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="after")
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.UpdateESIMReference, request)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert (await service.get(esim)).customer_ref == "before"


async def test_after_an_unclear_change_the_provider_gets_the_stored_reference_again(
    service: Service,
) -> None:
    (esim,) = await service.deliver(customer_ref="before")
    admin = service.databases.admin
    sent = "select reference_due_at is null from esims.esims"
    await service.databases.until(sent)
    for fault in (
        {"method": "PUT", "path": "/esims", "drop": True, "effect": "done"},
        {"method": "GET", "path": "/esims/*", "status": 500, "count": 0},
    ):
        await service.provider.control("POST", "/faults", fault)
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="after")
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.UpdateESIMReference, request)
    assert caught.value.reason == "REFERENCE_UNCONFIRMED"
    assert at_provider(service.provider, esim.iccid).customer_ref == "after"
    assert await admin.fetchval("select reference_due_at > now() from esims.esims")
    # As if a minute had passed.
    await admin.execute("update esims.esims set reference_due_at = now()")
    await service.databases.until(sent)
    assert at_provider(service.provider, esim.iccid).customer_ref == "before"


async def test_a_refused_change_of_a_reference_schedules_nothing(service: Service) -> None:
    (esim,) = await service.deliver()
    fault = {"method": "PUT", "path": "/esims", "status": 400}
    await service.provider.control("POST", "/faults", fault)
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="after")
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.UpdateESIMReference, request)
    assert caught.value.reason == "ESIM_NOT_UPDATABLE"
    due = await service.databases.admin.fetchval("select reference_due_at from esims.esims")
    assert due is None


@pytest.mark.parametrize("reference", ["x" * 101, "two\nlines"])
async def test_a_bad_reference_is_reported_by_field(service: Service, reference: str) -> None:
    (esim,) = await service.deliver()
    request = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference=reference)
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.UpdateESIMReference, request)
    assert caught.value.kind is Kind.INVALID
    assert list(caught.value.fields) == ["reference"]


async def test_a_cancelled_order_cancels_its_esims_and_is_idempotent(service: Service) -> None:
    first, second = await service.deliver(quantity=2)
    await service.bundles(first)  # the other eSIM's bundle is not known yet
    request = pb.CancelOrderBundlesRequest(order_id=first.order_id)
    key = service.auth.service_role_key
    for _ in range(2):
        answer = await service.ask(service.stub.CancelOrderBundles, request, key)
        assert {esim.id for esim in answer.esims} == {first.id, second.id}
        assert {esim.status for esim in answer.esims} == {pb.ESIM_STATUS_CANCELLED}
    # A stale provider response must not restore them.
    await service.age(300)
    states = {bundle.state for bundle in await service.bundles(first, second)}
    assert states == {pb.BUNDLE_STATE_CANCELLED}
    assert (await service.get(second)).status == pb.ESIM_STATUS_CANCELLED


async def test_a_refresh_is_queued_only_once(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.provider.control(
        "POST", "/faults", {"path": "/esims/*/refresh", "status": 500, "count": 0}
    )
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.RefreshESIM, pb.RefreshESIMRequest(esim_id=esim.id))
    assert caught.value.kind is Kind.UNAVAILABLE
    requests = (await service.provider.control("GET", "/requests"))["requests"]
    assert sum("refresh" in str(request) for request in requests) == 1
