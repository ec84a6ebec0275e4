"""Access rules: two customers, an administrator and anonymous callers against every method."""

import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import events_pb2
from services.esims.access import ACCESS
from tests.component.esims.running import Service, at_provider, buy, registration
from tests.fixtures.patience import PATIENCE

# Methods for one eSIM, with a request each.
OF_ONE: dict[str, Callable[[str], Any]] = {
    "GetESIM": lambda i: pb.GetESIMRequest(esim_id=i),
    "GetBundleStatus": lambda i: pb.GetBundleStatusRequest(esim_id=i, bundle_name="any"),
    "GetInstallDetails": lambda i: pb.GetInstallDetailsRequest(esim_id=i),
    "UpdateESIMReference": lambda i: pb.UpdateESIMReferenceRequest(esim_id=i, reference="mine"),
    "SuspendESIM": lambda i: pb.SuspendESIMRequest(esim_id=i),
    "RestoreESIM": lambda i: pb.RestoreESIMRequest(esim_id=i),
    "GetLocation": lambda i: pb.GetLocationRequest(esim_id=i),
    "ListHistory": lambda i: pb.ListHistoryRequest(esim_id=i),
    "RefreshESIM": lambda i: pb.RefreshESIMRequest(esim_id=i),
    "CheckCompatibility": lambda i: pb.CheckCompatibilityRequest(esim_id=i, bundle_name="any"),
}
# Methods for many eSIMs: the request, and the field of the answer.
OF_MANY: dict[str, tuple[Callable[[pb.ESIM], Any], str]] = {
    "ListESIMs": (lambda e: pb.ListESIMsRequest(), "esims"),
    "BatchGetESIMs": (lambda e: pb.BatchGetESIMsRequest(esim_ids=[e.id]), "esims"),
    "BatchListOrderESIMs": (
        lambda e: pb.BatchListOrderESIMsRequest(order_ids=[e.order_id]),
        "esims",
    ),
    "BatchListBundles": (lambda e: pb.BatchListBundlesRequest(esim_ids=[e.id]), "bundles"),
    "BatchGetUsage": (lambda e: pb.BatchGetUsageRequest(esim_ids=[e.id]), "usages"),
}
OF_SERVICES: dict[str, Callable[[pb.ESIM], Any]] = {
    "RegisterESIMs": lambda e: pb.RegisterESIMsRequest(order_id=e.order_id),
    "CancelOrderBundles": lambda e: pb.CancelOrderBundlesRequest(order_id=e.order_id),
    "EraseCustomer": lambda e: pb.EraseCustomerRequest(customer_id=e.customer_id),
    "ApplyEvents": lambda e: events_pb2.ApplyEventsRequest(
        events=[
            events_pb2.ProviderEvent(
                event_id=e.id, iccid=e.iccid, received_at=e.created_at, deleted=events_pb2.Deleted()
            )
        ]
    ),
}


def test_every_method_is_covered_here() -> None:
    # Tested below, and with the subscriptions.
    streams = {"WatchESIMs", "ExportCustomer"}
    assert set(OF_ONE) | set(OF_MANY) | set(OF_SERVICES) | streams == set(ACCESS)


async def test_without_a_session_every_method_refuses(service: Service) -> None:
    (esim,) = await service.deliver()
    requests = {
        **{name: make(esim.id) for name, make in OF_ONE.items()},
        **{name: make(esim) for name, (make, _) in OF_MANY.items()},
        **{name: make(esim) for name, make in OF_SERVICES.items()},
    }
    for name, request in requests.items():
        for token in (None, "nonsense", esim.id):
            with pytest.raises(Failure) as caught:
                await rpc_client.call(
                    getattr(service.stub, name), request, token=token, timeout=PATIENCE
                )
            assert caught.value.kind is Kind.UNAUTHENTICATED, name
    for token in (None, "nonsense", esim.id):
        request = pb.WatchESIMsRequest(esim_ids=[esim.id])
        with pytest.raises(Failure) as caught:
            await anext(rpc_client.stream(service.stub.WatchESIMs, request, token=token))
        assert caught.value.kind is Kind.UNAUTHENTICATED


async def test_no_method_finds_another_customers_esim(service: Service) -> None:
    (esim,) = await service.deliver()
    for name, make in OF_ONE.items():
        with pytest.raises(Failure) as caught:
            await service.ask(getattr(service.stub, name), make(esim.id), service.stranger)
        assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "ESIM_NOT_FOUND"), name
    unchanged = at_provider(service.provider, esim.iccid)
    assert (unchanged.state, unchanged.customer_ref) == ("active", "")


async def test_no_list_contains_another_customers_esims(service: Service) -> None:
    (esim,) = await service.deliver()
    for name, (make, field) in OF_MANY.items():
        method = getattr(service.stub, name)
        theirs = await service.ask(method, make(esim), service.stranger)
        assert len(getattr(theirs, field)) == 0, name
        for token in (service.token, service.admin, service.auth.service_role_key):
            ours = await service.ask(method, make(esim), token)
            assert len(getattr(ours, field)) == 1, name


async def test_only_services_register_and_cancel(service: Service) -> None:
    (esim,) = await service.deliver()
    for name, make in OF_SERVICES.items():
        for token in (service.token, service.admin):
            with pytest.raises(Failure) as caught:
                await service.ask(getattr(service.stub, name), make(esim), token)
            assert caught.value.kind is Kind.FORBIDDEN, name


async def test_only_services_export_a_customer(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.ExportCustomerRequest(customer_id=esim.customer_id)
    for token in (None, "nonsense", service.token, service.admin):
        with pytest.raises(Failure) as caught:
            await anext(rpc_client.stream(service.stub.ExportCustomer, request, token=token))
        signed_in = token in (service.token, service.admin)
        assert caught.value.kind is (Kind.FORBIDDEN if signed_in else Kind.UNAUTHENTICATED)


async def test_an_admin_may_act_for_a_customer(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.SuspendESIMRequest(esim_id=esim.id)
    answer = await service.ask(service.stub.SuspendESIM, request, service.admin)
    assert answer.esim.status == pb.ESIM_STATUS_SUSPENDED


async def test_only_admins_list_by_customer(service: Service) -> None:
    await service.deliver()
    other = await service.auth.user_id("bob@example.com")
    await service.ask(
        service.stub.RegisterESIMs,
        registration(await buy(service.provider), other),
        service.auth.service_role_key,
    )
    request = pb.ListESIMsRequest(filter=pb.ESIMFilter(customer_id=str(other)))
    (esim,) = (await service.ask(service.stub.ListESIMs, request, service.admin)).esims
    assert esim.customer_id == str(other)
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.ListESIMs, request)
    assert caught.value.kind is Kind.FORBIDDEN
    everything = await service.ask(service.stub.ListESIMs, pb.ListESIMsRequest(), service.admin)
    assert len(everything.esims) == 2


@pytest.mark.parametrize("table", ["esims", "esim_bundles"])
async def test_the_customer_role_cannot_write(service: Service, table: str) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    connection = await asyncpg.connect(service.databases.url("esims"))
    try:
        for statement in (
            f"update esims.{table} set updated_at = now()",  # noqa: S608 - a constant of this test
            f"delete from esims.{table}",  # noqa: S608 - a constant of this test
            f"insert into esims.{table} default values",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("set local role esims_user")
                    await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ["esims", "esim_bundles"])
async def test_row_security_applies_to_the_table_owner_too(service: Service, table: str) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    admin = service.databases.admin
    async with admin.transaction():
        await admin.execute("set local role esimgo_owner")
        assert await admin.fetchval(f"select count(*) from esims.{table}") == 0  # noqa: S608 - a constant of this test


@pytest.mark.parametrize("table", ["esims", "esim_bundles"])
async def test_every_table_shows_a_customer_only_their_rows(service: Service, table: str) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    stranger = await service.auth.user_id("bob@example.com")
    admin = service.databases.admin
    for subject, rows in ((service.customer, 1), (stranger, 0)):
        async with admin.transaction():
            await admin.execute("set local role esims_user")
            await admin.execute(
                "select set_config('request.jwt.claims', $1, true)",
                json.dumps({"sub": str(subject)}),
            )
            assert await admin.fetchval(f"select count(*) from esims.{table}") == rows  # noqa: S608 - a constant of this test
