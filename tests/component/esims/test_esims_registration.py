"""Registering deliveries over gRPC: idempotent, all or nothing, with clear errors for bad input."""

import asyncio
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from services.esims.delivery_store import Delivery
from tests.component.esims.parts import Parts
from tests.component.esims.running import BUNDLE, Service, at_provider, buy, registration


async def count(service: Service) -> int:
    return int(await service.databases.admin.fetchval("select count(*) from esims.esims"))


async def test_a_repeated_delivery_returns_the_same_esims(service: Service) -> None:
    delivered = await buy(service.provider, quantity=3)
    first = await service.register(delivered)
    again = await service.register(delivered)
    assert {e.id for e in again} == {e.id for e in first}
    assert await count(service) == 3


async def test_an_iccid_with_a_filler_digit_is_the_same_esim(service: Service) -> None:
    delivered = await buy(service.provider)
    (first,) = await service.register(delivered)
    again = registration(delivered, service.customer)
    again.esims[0].iccid = f"{first.iccid[:10]} {first.iccid[10:]}F"
    answer = await service.ask(service.stub.RegisterESIMs, again, service.auth.service_role_key)
    assert [(e.id, e.iccid) for e in answer.esims] == [(first.id, first.iccid)]


async def test_registering_another_customers_esim_changes_nothing(service: Service) -> None:
    ours = await buy(service.provider)
    await service.register(ours)
    theirs = await buy(service.provider)
    mixed = registration(theirs, uuid4())
    mixed.esims.append(pb.DeliveredESIM(iccid=ours.esims[0]["iccid"]))
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.RegisterESIMs, mixed, service.auth.service_role_key)
    assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "ICCID_OF_ANOTHER_CUSTOMER")
    assert await count(service) == 1


async def test_an_esim_of_another_order_is_a_conflict(service: Service) -> None:
    delivered = await buy(service.provider)
    await service.register(delivered)
    with pytest.raises(Failure) as caught:
        await service.register(delivered, order_id=str(uuid4()))
    assert caught.value.reason == "ICCID_OF_ANOTHER_ORDER"


async def test_an_esim_is_processing_until_the_provider_returns_its_matching_id(
    service: Service,
) -> None:
    delivered = await buy(service.provider)
    (bare,) = await service.register(
        delivered, esims=[pb.DeliveredESIM(iccid=delivered.esims[0]["iccid"])]
    )
    assert bare.status == pb.ESIM_STATUS_PROCESSING
    full = await service.get(bare)
    assert full.status == pb.ESIM_STATUS_ASSIGNED
    assert full.matching_id == delivered.esims[0]["matchingId"]
    assert full.smdp_address


async def test_a_later_delivery_completes_an_earlier_one(service: Service) -> None:
    delivered = await buy(service.provider)
    await service.provider.control("POST", "/faults", {"status": 500, "count": 0})
    await service.register(delivered, esims=[pb.DeliveredESIM(iccid=delivered.esims[0]["iccid"])])
    (esim,) = await service.register(delivered)
    assert esim.status == pb.ESIM_STATUS_ASSIGNED
    assert esim.matching_id == delivered.esims[0]["matchingId"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_id": "1"}, "order_id"),
        ({"plan_id": ""}, "plan_id"),
        ({"customer_id": "nobody"}, "customer_id"),
        ({"order_reference": ""}, "order_reference"),
        ({"bundle_name": "a\nb"}, "bundle_name"),
        ({"customer_ref": "x" * 101}, "customer_ref"),
        ({"esims": []}, "esims"),
        ({"esims": [pb.DeliveredESIM(iccid="123")]}, "esims[0].iccid"),
        ({"esims": [pb.DeliveredESIM(iccid="8" * 19)] * 2}, "esims"),
        ({"esims": [pb.DeliveredESIM(iccid="8" * 19, matching_id="a\nb")]}, "esims[0].matching_id"),
    ],
)
async def test_a_bad_delivery_is_refused_with_the_field_name(
    service: Service, change: dict[str, object], field: str
) -> None:
    delivered = await buy(service.provider)
    with pytest.raises(Failure) as caught:
        await service.register(delivered, **change)
    assert caught.value.kind is Kind.INVALID
    assert list(caught.value.fields) == [field]
    assert await count(service) == 0


async def test_a_topped_up_esim_is_refreshed_although_its_state_has_just_been_read(
    parts: Parts,
) -> None:
    (esim,) = await parts.deliver()
    await parts.fetcher.refresh([esim])
    delivery = Delivery(
        *(uuid4(), esim.plan_id, esim.customer_id, "top-up", BUNDLE, ""), auto_activate=False
    )
    (topped_up,) = await parts.registration.top_up(delivery, [esim.iccid])
    await parts.fetcher.refresh([topped_up])
    assert await parts.asked("/bundles") == 2


async def test_a_delivery_is_refreshed_and_its_reference_sent_in_the_background(
    service: Service,
) -> None:
    delivered = await buy(service.provider)
    iccid = delivered.esims[0]["iccid"]
    await service.provider.control("POST", f"/esims/{iccid}/use-data", {"megabytes": 1})
    await service.register(delivered, auto_activate=True, customer_ref="Rome")
    # No client reads the eSIM; both happen in the background.
    while (
        await service.databases.admin.fetchval("select status from esims.esims") != "ACTIVE"
        or at_provider(service.provider, iccid).customer_ref != "Rome"
    ):
        await asyncio.sleep(0.01)
