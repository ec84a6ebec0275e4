"""The eSIMs datasource on the example responses and on the running sandbox."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from providers.esim_go.client import Provider, ProviderSettings
from services.esims.bundle import AssignmentState
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ProviderState
from services.esims.provider_bundle import read_assignments, read_bundles
from services.esims.provider_esim import (
    read_compatible,
    read_details,
    read_history,
    read_list,
    read_location,
)
from tests.component.esims.running import BUNDLE, at_provider, buy
from tests.fixtures.examples import Examples, each_set
from tests.fixtures.sandboxes import ProviderSandbox


@each_set
@pytest.mark.parametrize(
    ("name", "state", "profile_status"),
    [
        ("esim-details.json", ProviderState.ACTIVE, "Installed"),
        ("esim-details-install-url.json", ProviderState.ACTIVE, "Installed"),
        ("esim-details-deactivated.json", ProviderState.DEACTIVATED, "Deactivated"),
    ],
)
def test_details_are_parsed(
    examples: Examples, name: str, state: ProviderState, profile_status: str
) -> None:
    body = examples.response(name)
    details = read_details(body)
    assert details.iccid == body["iccid"]
    assert details.matching_id == body["matchingId"]
    assert (details.state, details.profile_status) == (state, profile_status)
    assert details.apple_install_url == body.get("appleInstallUrl", "")


@each_set
def test_a_list_is_parsed(examples: Examples) -> None:
    rows, pages = read_list(examples.response("esims-list.json"))
    assert pages == 1
    assert [row.state for row in rows].count(ProviderState.SUSPENDED) == 1
    assert all(row.assigned_date for row in rows)


@each_set
def test_bundles_are_parsed(examples: Examples) -> None:
    body = examples.response("esim-bundles.json")
    queued, active = read_bundles(body).assignments
    assert queued.state is AssignmentState.QUEUED
    assert queued.started_at is None
    assert active.state is AssignmentState.ACTIVE
    (shown,) = [
        row
        for bundle in body["bundles"]
        for row in bundle["assignments"]
        if row["bundleState"] == "active"
    ]
    assert active.initial_bytes == shown["initialQuantity"]
    assert active.remaining_bytes == shown["remainingQuantity"]
    assert active.started_at is not None
    assert [active.id] == [
        a.id for a in read_assignments(examples.response("esim-bundle-status.json"), active.name)
    ]


@each_set
def test_small_responses_are_parsed(examples: Examples) -> None:
    assert read_compatible(examples.response("compatible.json")) is False
    body = examples.response("location.json")
    location = read_location(body)
    assert location is not None
    assert (location.network_code, location.country) == (body["mobileNetworkCode"], body["country"])
    rows = examples.response("history.json")
    history = read_history(rows)
    assert history[0].name == "Bundle Applied"
    assert [entry.alert_type for entry in history] == [row.get("alertType", "") for row in rows]


@pytest.fixture
async def source(provider: ProviderSandbox) -> AsyncIterator[ESIMsDataSource]:
    cache = Cache.open(None, namespace="esims")
    settings = ProviderSettings(provider.url, provider.api_key)
    yield ESIMsDataSource(Provider(provider.http, settings), cache)
    await cache.close()


async def test_every_method_works_against_the_sandbox(
    source: ESIMsDataSource, provider: ProviderSandbox
) -> None:
    (sold,) = (await buy(provider)).esims
    iccid = sold["iccid"]
    details = await source.get_esim(iccid)
    assert (details.iccid, details.state) == (iccid, ProviderState.ACTIVE)
    await source.update_esim(iccid, "Zoë & co")
    assert (await source.get_esim(iccid)).customer_ref == "Zoë & co"
    (row,) = await source.get_esims(filter_by="customerRef", matching="eq:Zoë & co")
    assert row.iccid == iccid
    (assignment,) = (await source.get_bundles(iccid)).assignments
    assert (assignment.name, assignment.state) == (BUNDLE, AssignmentState.QUEUED)
    # Only the list has the description.
    undescribed = replace(assignment, description="")
    assert await source.get_bundle_status(iccid, BUNDLE) == [undescribed]
    assert await source.check_compatibility(iccid, BUNDLE)
    install = await source.get_install_details(iccid)
    assert install.apple_install_url.endswith(f"${sold['matchingId']}")
    await provider.control("POST", f"/esims/{iccid}/use-data", {"bytes": 1, "country": "GB"})
    assert await source.get_esim_usage(iccid) == (1, 999_999_999)
    assert (await source.get_location(iccid)).country == "GB"
    assert (await source.get_history(iccid))[0].name == "eSIM First Use"
    await source.refresh_esim(iccid)
    assert (await source.get_history(iccid))[0].name == "eSIM Refreshed"
    await source.suspend_esim(iccid)
    assert at_provider(provider, iccid).state == "suspended"
    await source.restore_esim(iccid)
    assert at_provider(provider, iccid).state == "active"


@pytest.mark.parametrize("method", ["get_esim", "get_install_details"])
async def test_details_of_another_esim_are_a_bad_response(
    source: ESIMsDataSource, provider: ProviderSandbox, method: str
) -> None:
    mine, other = (await buy(provider, quantity=2)).esims
    fault = {"path": "/esims/*", "status": 200, "count": 0}
    await provider.control("POST", "/faults", fault | {"body": other})
    with pytest.raises(Failure) as raised:
        await getattr(source, method)(mine["iccid"])
    assert raised.value.reason == "PROVIDER_BAD_ANSWER"
    await provider.control("DELETE", "/faults")
    # A number that lost digits doesn't identify another eSIM.
    rounded = mine | {"iccid": int(mine["iccid"]) // 1000 * 1000}
    await provider.control("POST", "/faults", fault | {"body": rounded})
    for _ in range(2):
        found = await getattr(source, method)(mine["iccid"])
        assert (found.iccid, found.matching_id) == (mine["iccid"], mine["matchingId"])


async def test_every_page_of_esims_is_read(
    source: ESIMsDataSource, provider: ProviderSandbox
) -> None:
    for _ in range(21):  # more than one page of a hundred
        await buy(provider, quantity=5)
    assert len({esim.iccid for esim in await source.get_esims()}) == 105


@pytest.mark.parametrize("switches", [{"smdp_scheme": True}, {"allowance_unit": "MB"}])
async def test_undocumented_formats_are_parsed_too(
    source: ESIMsDataSource, provider: ProviderSandbox, switches: dict[str, Any]
) -> None:
    await provider.control("POST", "/switches", switches)
    (sold,) = (await buy(provider)).esims
    assert "/" not in (await source.get_esim(sold["iccid"])).smdp_address
    (assignment,) = (await source.get_bundles(sold["iccid"])).assignments
    assert assignment.initial_bytes == 10**9


async def test_refusals_have_distinct_reasons(
    source: ESIMsDataSource, provider: ProviderSandbox
) -> None:
    (sold,) = (await buy(provider)).esims
    iccid = sold["iccid"]
    with pytest.raises(Failure) as foreign:
        await source.get_esim("8944000000000000009")
    assert (foreign.value.kind, foreign.value.reason) == (Kind.REFUSED, "PROVIDER_FORBIDDEN")
    with pytest.raises(Failure) as absent:
        await source.get_bundle_status(iccid, "esim_no_such_bundle")
    assert absent.value.reason == "BUNDLE_NOT_ON_ESIM"
    with pytest.raises(Failure) as unattached:
        await source.get_location(iccid)
    assert unattached.value.reason == "NEVER_ATTACHED"
    with pytest.raises(Failure) as not_suspended:
        await source.restore_esim(iccid)
    assert not_suspended.value.kind is Kind.REFUSED
