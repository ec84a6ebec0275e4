"""Deliveries for an organization: whose the eSIM is, and who travels with it."""

from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service, buy
from tests.component.esims.travelers.company import Company


def delivered(esim: dict[str, str], **traveler: str) -> pb.DeliveredESIM:
    return pb.DeliveredESIM(
        iccid=esim["iccid"],
        matching_id=esim["matchingId"],
        smdp_address=esim["smdpAddress"],
        traveler=pb.Traveler(**traveler),
    )


async def test_an_esim_names_its_organization_group_and_traveler(
    service: Service, company: Company
) -> None:
    order = await buy(service.provider, quantity=3)
    group = str(uuid4())
    traveler = str(company.members["TRAVELER"].id)
    one, two, three = await service.register(
        order,
        organization_id=str(company.id),
        group_id=group,
        esims=[
            delivered(order.esims[0], name="Zoë Müller", email="zoe@example.com"),
            delivered(order.esims[1], name="王小明", user_id=traveler),
            delivered(order.esims[2], name=" ", email=""),
        ],
    )
    assert {e.organization_id for e in (one, two, three)} == {str(company.id)}
    assert {e.group_id for e in (one, two, three)} == {group}
    by_iccid = {e.iccid: e for e in (one, two, three)}
    zoe, wang, nobody = (by_iccid[e["iccid"]] for e in order.esims)
    assert (zoe.traveler.name, zoe.traveler.email) == ("Zoë Müller", "zoe@example.com")
    assert (wang.traveler.name, wang.traveler.user_id) == ("王小明", traveler)
    assert not nobody.HasField("traveler")


async def test_a_person_is_one_traveler_and_keeps_it_when_the_delivery_is_repeated(
    service: Service, company: Company
) -> None:
    first, second = await buy(service.provider), await buy(service.provider, quantity=2)
    zoe = {"name": "Zoë", "email": "zoe@example.com"}
    of = str(company.id)
    (one,) = await service.register(
        first, organization_id=of, esims=[delivered(first.esims[0], **zoe)]
    )
    same = [
        delivered(second.esims[0], name="ZOË", email="Zoe@Example.com"),
        delivered(second.esims[1], **zoe),
    ]
    two, three = await service.register(second, organization_id=of, esims=same)
    assert one.traveler.id == two.traveler.id == three.traveler.id
    again = [delivered(first.esims[0], name="Somebody else")]
    (repeated,) = await service.register(first, organization_id=of, esims=again)
    assert repeated.traveler == one.traveler
    assert await service.databases.admin.fetchval("select count(*) from esims.travelers") == 1


async def test_the_same_name_elsewhere_is_another_person(
    service: Service, company: Company, other: Company
) -> None:
    ids = set()
    for of in (str(company.id), str(other.id), ""):
        order = await buy(service.provider)
        named = [delivered(order.esims[0], name="Kim")]
        (esim,) = await service.register(order, organization_id=of, esims=named)
        ids.add(esim.traveler.id)
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"organization_id": "no-id"}, "INVALID_ARGUMENT"),
        ({"group_id": str(uuid4())}, "INVALID_ARGUMENT"),
        ({"organization_id": str(uuid4())}, "ICCID_OF_ANOTHER_CUSTOMER"),
    ],
)
async def test_a_delivery_for_another_organization_is_refused(
    service: Service, change: dict[str, Any], reason: str
) -> None:
    order = await buy(service.provider)
    await service.register(order)
    with pytest.raises(Failure) as caught:
        await service.register(order, **change)
    assert caught.value.reason == reason


async def test_a_top_up_is_of_any_esim_of_the_organization(
    service: Service, company: Company, other: Company
) -> None:
    esim = await company.deliver()
    top_up = await buy(service.provider)
    bare = [pb.DeliveredESIM(iccid=esim.iccid)]
    manager = str(company.members["MANAGER"].id)
    (topped,) = await service.register(
        top_up, customer_id=manager, organization_id=str(company.id), top_up=True, esims=bare
    )
    assert (topped.id, topped.customer_id) == (esim.id, esim.customer_id)
    for of in ("", str(other.id)):
        with pytest.raises(Failure) as caught:
            await service.register(
                top_up, customer_id=esim.customer_id, organization_id=of, top_up=True, esims=bare
            )
        assert caught.value.reason == "ICCID_OF_ANOTHER_CUSTOMER"
