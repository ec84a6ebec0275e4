"""Reading eSIMs over gRPC: provider data appears in time, and cached data shows its age."""

import pytest

from kit.errors import Failure, Kind
from kit.values import timestamps
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import BUNDLE, Service, at_provider


async def test_a_registered_esim_returns_its_install_details(service: Service) -> None:
    (esim,) = await service.deliver(customer_ref="Trip to London")
    assert esim.status == pb.ESIM_STATUS_ASSIGNED
    assert esim.customer_ref == "Trip to London"
    assert esim.matching_id
    assert "/" not in esim.smdp_address
    got = await service.get(esim)
    assert (got.id, got.iccid, got.status) == (esim.id, esim.iccid, pb.ESIM_STATUS_ASSIGNED)
    assert got.HasField("as_of")


async def test_an_unused_bundle_is_inactive_with_all_its_data(service: Service) -> None:
    (esim,) = await service.deliver()
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_INACTIVE
    assert (bundle.initial_bytes, bundle.remaining_bytes) == (10**9, 10**9)
    assert (bundle.data_used_mb, bundle.data_remaining_mb) == (0, 1000)
    assert not bundle.HasField("start_date")
    usage = await service.usage(esim)
    assert (usage.total_used_mb, usage.total_remaining_mb, usage.active_bundles) == (0, 1000, 0)


async def test_usage_is_refreshed_once_the_snapshot_is_300_s_old(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    await service.device(esim, "use-data", bytes=123_456_789)
    # Well below 300 s, so that the duration of this test doesn't matter.
    await service.age(150)
    assert (await service.usage(esim)).total_used_mb == 0
    await service.age(150)
    usage = await service.usage(esim)
    assert usage.total_used_mb == 123.457
    assert usage.total_remaining_mb == 876.543
    assert usage.active_bundles == 1
    (bundle,) = await service.bundles(esim)
    assert bundle.remaining_bytes == 876_543_211
    assert bundle.state == pb.BUNDLE_STATE_ACTIVE
    assert bundle.HasField("end_date")
    assert (await service.get(esim)).status == pb.ESIM_STATUS_ACTIVE


async def test_usage_is_current_right_after_a_refresh(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    await service.device(esim, "use-data", megabytes=250)
    answer = await service.ask(service.stub.RefreshESIM, pb.RefreshESIMRequest(esim_id=esim.id))
    assert answer.esim.status == pb.ESIM_STATUS_ACTIVE
    assert (await service.usage(esim)).total_used_mb == 250


async def test_a_used_up_bundle_expires_the_esim(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", bytes=10**9)
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_EXPIRED
    assert (bundle.data_used_mb, bundle.data_remaining_mb) == (1000, 0)
    assert (await service.get(esim)).status == pb.ESIM_STATUS_EXPIRED
    usage = await service.usage(esim)
    assert (usage.total_used_mb, usage.total_remaining_mb, usage.active_bundles) == (1000, 0, 0)
    assert usage.as_of == bundle.as_of


async def test_a_deleted_esim_shows_no_code_and_no_live_bundle(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    request = pb.GetInstallDetailsRequest(esim_id=esim.id)
    await service.ask(service.stub.GetInstallDetails, request)
    at_provider(service.provider, esim.iccid).state = "deactivated"
    await service.age(400)
    got = await service.get(esim)
    assert (got.status, got.matching_id, got.smdp_address) == (pb.ESIM_STATUS_CANCELLED, "", "")
    (listed,) = (await service.ask(service.stub.ListESIMs, pb.ListESIMsRequest())).esims
    assert (listed.matching_id, listed.smdp_address) == ("", "")
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_CANCELLED
    assert (await service.usage(esim)).active_bundles == 0
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.GetInstallDetails, request)
    assert (caught.value.kind, caught.value.reason) == (Kind.REFUSED, "ESIM_DELETED")


async def test_an_unlimited_bundle_has_no_amounts(service: Service) -> None:
    unlimited = next(b.name for b in service.provider.world.catalogue.all() if b.unlimited)
    (esim,) = await service.deliver(bundle=unlimited)
    (bundle,) = await service.bundles(esim)
    assert bundle.unlimited
    for field in ("data_used_mb", "data_remaining_mb", "initial_bytes", "remaining_bytes"):
        assert not bundle.HasField(field)
    usage = await service.usage(esim)
    assert not usage.HasField("total_used_mb")
    assert not usage.HasField("total_remaining_mb")


async def test_a_bundle_revoked_elsewhere_is_cancelled_though_the_list_hides_it(
    service: Service,
) -> None:
    (esim,) = await service.deliver()
    (bundle,) = await service.bundles(esim)
    async with service.provider.http.delete(
        f"{service.provider.url}/esims/{esim.iccid}/bundles/{bundle.name}/assignments/{bundle.id}",
        headers={"X-API-Key": service.provider.api_key},
    ) as answer:
        assert answer.status == 200
    await service.age(300)
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_CANCELLED
    assert (await service.get(esim)).status == pb.ESIM_STATUS_CANCELLED


async def test_while_the_provider_is_down_stored_values_are_returned_with_their_age(
    service: Service,
) -> None:
    (esim,) = await service.deliver()
    (before,) = await service.bundles(esim)
    await service.device(esim, "use-data", megabytes=100)
    await service.age(1000)
    await service.provider.control(
        "POST", "/faults", {"path": "/esims/*", "status": 500, "count": 0}
    )
    (bundle,) = await service.bundles(esim)
    assert bundle.remaining_bytes == before.remaining_bytes
    age = timestamps.from_proto(before.as_of) - timestamps.from_proto(bundle.as_of)
    assert round(age.total_seconds()) == 1000
    assert (await service.usage(esim)).as_of == bundle.as_of
    assert (await service.get(esim)).status == pb.ESIM_STATUS_ASSIGNED


async def test_a_suspension_by_policy_is_reported_on_esim_and_bundle(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", megabytes=1)
    await service.device(esim, "policy-suspend")
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_SUSPENDED
    got = await service.get(esim)
    assert (got.status, got.last_action) == (pb.ESIM_STATUS_SUSPENDED, "Suspended")


async def test_a_single_bundle_can_be_requested(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", megabytes=5)
    request = pb.GetBundleStatusRequest(esim_id=esim.id, bundle_name=esim.bundle_name)
    (bundle,) = (await service.ask(service.stub.GetBundleStatus, request)).bundles
    assert (bundle.state, bundle.data_used_mb) == (pb.BUNDLE_STATE_ACTIVE, 5)
    request.bundle_name = request.bundle_name.lower()
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.GetBundleStatus, request)
    assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "BUNDLE_NOT_ON_ESIM")


async def test_location_is_not_found_before_the_first_attachment(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.GetLocationRequest(esim_id=esim.id)
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.GetLocation, request)
    assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "NEVER_ATTACHED")
    await service.device(esim, "attach", country="GB")
    location = await service.ask(service.stub.GetLocation, request)
    assert location.country == "GB"
    assert location.network_code
    assert location.HasField("last_seen")


async def test_history_is_newest_first_and_current_after_a_refresh(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.ListHistoryRequest(esim_id=esim.id)
    first = (await service.ask(service.stub.ListHistory, request)).entries
    assert [entry.name for entry in first] == ["Bundle Applied"]
    assert first[0].bundle_name == esim.bundle_name
    await service.ask(service.stub.RefreshESIM, pb.RefreshESIMRequest(esim_id=esim.id))
    entries = (await service.ask(service.stub.ListHistory, request)).entries
    assert [entry.name for entry in entries] == ["eSIM Refreshed", "Bundle Applied"]


async def test_install_details_are_fetched_once_a_day(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.GetInstallDetailsRequest(esim_id=esim.id)
    details = await service.ask(service.stub.GetInstallDetails, request)
    assert details.matching_id == esim.matching_id
    assert details.smdp_address == esim.smdp_address
    card = f"LPA:1${esim.smdp_address}${esim.matching_id}"
    assert details.apple_install_url.endswith(f"carddata={card}")
    assert details.android_install_url.endswith(f"carddata={card}")
    await service.provider.control("POST", "/faults", {"status": 500, "count": 0})
    assert await service.ask(service.stub.GetInstallDetails, request) == details


async def test_the_compatibility_of_a_bundle_is_reported(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.CheckCompatibilityRequest(esim_id=esim.id, bundle_name=esim.bundle_name)
    assert (await service.ask(service.stub.CheckCompatibility, request)).compatible
    request.bundle_name = "esim_no_such_bundle"
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.CheckCompatibility, request)
    assert caught.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("name", ["", "../../orders", "a/../b", "a/.", "a\\b", "x" * 201, "a\tb"])
async def test_a_malformed_bundle_name_is_refused(service: Service, name: str) -> None:
    (esim,) = await service.deliver()
    for method, request in (
        (
            service.stub.GetBundleStatus,
            pb.GetBundleStatusRequest(esim_id=esim.id, bundle_name=name),
        ),
        (
            service.stub.CheckCompatibility,
            pb.CheckCompatibilityRequest(esim_id=esim.id, bundle_name=name),
        ),
    ):
        with pytest.raises(Failure) as caught:
            await service.ask(method, request)
        assert caught.value.kind is Kind.INVALID
        assert list(caught.value.fields) == ["bundle_name"]


async def test_a_bundle_that_is_listed_twice_or_beside_an_odd_one_is_returned_once(
    service: Service,
) -> None:
    (esim,) = await service.deliver()
    row = {"id": "7", "bundleState": "active", "initialQuantity": 10**9, "unlimited": False}
    listed = [
        row | {"remainingQuantity": 5 * 10**8},
        row | {"remainingQuantity": 4 * 10**8},
        row | {"bundleState": "melted"},
    ]
    fault = {"path": f"/esims/*/bundles/{BUNDLE}", "status": 200, "body": {"assignments": listed}}
    await service.provider.control("POST", "/faults", fault)
    request = pb.GetBundleStatusRequest(esim_id=esim.id, bundle_name=BUNDLE)
    (bundle,) = (await service.ask(service.stub.GetBundleStatus, request)).bundles
    assert (bundle.id, bundle.data_remaining_mb) == ("7", 400)


async def test_install_details_are_those_of_the_current_code(service: Service) -> None:
    (esim,) = await service.deliver()
    request = pb.GetInstallDetailsRequest(esim_id=esim.id)
    first = await service.ask(service.stub.GetInstallDetails, request)
    assert first.matching_id == esim.matching_id
    sold = at_provider(service.provider, esim.iccid)
    sold.matching_id, sold.profile_status = "ANOTHER", "Installed"
    await service.age(400)
    assert (await service.get(esim)).matching_id == "ANOTHER"
    details = await service.ask(service.stub.GetInstallDetails, request)
    assert (details.matching_id, details.profile_status) == ("ANOTHER", "Installed")
    assert details.apple_install_url.endswith("$ANOTHER")
