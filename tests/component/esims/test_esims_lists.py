"""Pages, filters and batches of eSIMs over gRPC."""

from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service


async def page(service: Service, **fields: object) -> pb.ListESIMsResponse:
    request = pb.ListESIMsRequest(**fields)  # type: ignore[arg-type]  # whatever a test gives
    answer: pb.ListESIMsResponse = await service.ask(service.stub.ListESIMs, request)
    return answer


async def test_pages_contain_every_esim_once_newest_first(service: Service) -> None:
    delivered = [*await service.deliver(quantity=5), *await service.deliver(quantity=2)]
    received: list[pb.ESIM] = []
    token = ""
    while True:
        answer = await page(service, page_size=3, page_token=token)
        received.extend(answer.esims)
        token = answer.next_page_token
        if not token:
            break
        assert len(answer.esims) == 3
    assert {e.id for e in received} == {e.id for e in delivered}
    assert len(received) == 7
    assert {e.order_id for e in received[:2]} == {delivered[-1].order_id}


async def test_esims_are_filtered_by_status_and_by_iccid(service: Service) -> None:
    first, _, third = await service.deliver(quantity=3)
    await service.ask(service.stub.SuspendESIM, pb.SuspendESIMRequest(esim_id=third.id))
    suspended = await page(service, filter=pb.ESIMFilter(statuses=[pb.ESIM_STATUS_SUSPENDED]))
    assert [esim.id for esim in suspended.esims] == [third.id]
    for written in (first.iccid, f"{first.iccid}F", f" {first.iccid[:4]}-{first.iccid[4:]}f"):
        found = await page(service, filter=pb.ESIMFilter(iccid=written))
        assert [esim.id for esim in found.esims] == [first.id]


async def test_the_total_counts_only_the_callers_esims_on_all_pages(service: Service) -> None:
    await service.deliver(quantity=5)
    counted = await page(service, page_size=3, with_total=True)
    assert (len(counted.esims), counted.total_size) == (3, 5)
    rest = await page(service, page_size=3, page_token=counted.next_page_token)
    assert (len(rest.esims), rest.total_size) == (2, 0)
    suspended = pb.ESIMFilter(statuses=[pb.ESIM_STATUS_SUSPENDED])
    assert (await page(service, filter=suspended, with_total=True)).total_size == 0
    request = pb.ListESIMsRequest(page_size=1, with_total=True)
    other = await service.ask(service.stub.ListESIMs, request, service.stranger)
    assert other.total_size == 0
    assert (await service.ask(service.stub.ListESIMs, request, service.admin)).total_size == 5


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"page_size": 501}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "rubbish"}, "page_token"),
        ({"filter": pb.ESIMFilter(iccid="123")}, "filter.iccid"),
        ({"filter": pb.ESIMFilter(customer_id="me")}, "filter.customer_id"),
        ({"filter": pb.ESIMFilter(statuses=[pb.ESIM_STATUS_UNSPECIFIED])}, "filter.statuses"),
    ],
)
async def test_a_bad_page_request_names_the_field(
    service: Service, fields: dict[str, object], named: str
) -> None:
    with pytest.raises(Failure) as caught:
        await page(service, **fields)
    assert caught.value.kind is Kind.INVALID
    assert list(caught.value.fields) == [named]


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_page_with_bundles_equals_the_batch_responses(
    service: Service, fresh: bool
) -> None:
    delivered = await service.deliver(quantity=3)
    bundles = await service.bundles(*delivered)  # reads them at the provider
    answer = await page(service, page_size=2, fresh=fresh, with_bundles=True)
    ids = [esim.id for esim in answer.esims]
    assert len(ids) == 2
    assert {b.id: b for b in answer.bundles} == {b.id: b for b in bundles if b.esim_id in ids}
    assert len(answer.bundles) == 2
    request = pb.BatchGetUsageRequest(esim_ids=ids)
    batch = await service.ask(service.stub.BatchGetUsage, request)
    assert {u.esim_id: u for u in answer.usages} == {u.esim_id: u for u in batch.usages}
    assert not (await page(service, fresh=fresh)).bundles


async def test_a_page_token_is_valid_for_its_own_filter_only(service: Service) -> None:
    await service.deliver(quantity=2)
    token = (await page(service, page_size=1)).next_page_token
    with pytest.raises(Failure) as caught:
        await page(
            service, page_token=token, filter=pb.ESIMFilter(statuses=[pb.ESIM_STATUS_ACTIVE])
        )
    assert caught.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_page_token_is_valid_with_any_included_data(service: Service) -> None:
    delivered = await service.deliver(quantity=2)
    first = await page(service, page_size=1)
    rest = await page(
        service, page_token=first.next_page_token, page_size=1, fresh=True, with_bundles=True
    )
    assert {esim.id for esim in (*first.esims, *rest.esims)} == {esim.id for esim in delivered}


async def test_batches_omit_unknown_ids(service: Service) -> None:
    esims = await service.deliver(quantity=2)
    ids = [esim.id for esim in esims]
    request = pb.BatchGetESIMsRequest(esim_ids=[*ids, str(uuid4()), ids[0]])
    found = (await service.ask(service.stub.BatchGetESIMs, request)).esims
    assert sorted(esim.id for esim in found) == sorted(ids)
    of_orders = pb.BatchListOrderESIMsRequest(order_ids=[esims[0].order_id, str(uuid4())])
    found = (await service.ask(service.stub.BatchListOrderESIMs, of_orders)).esims
    assert sorted(esim.id for esim in found) == sorted(ids)


@pytest.mark.parametrize("ids", [[], ["x"], [str(uuid4())] * 1001])
async def test_a_batch_of_zero_malformed_or_too_many_ids_is_refused(
    service: Service, ids: list[str]
) -> None:
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.BatchGetUsage, pb.BatchGetUsageRequest(esim_ids=ids))
    assert caught.value.kind is Kind.INVALID
    assert "esim_ids" in next(iter(caught.value.fields))
