"""The sandbox's callbacks change an eSIM, and its customer sees it live through two gateways."""

import json

from tests.component.platform.followed_esim import Stage, read_at
from tests.fixtures.browser.javascript import Script

# The provider's documents don't name the type of Profile Status Change, so the sandbox sends whichever
# type the test sets, and the platform recognizes the callback by its content.
WITH_PROFILES = {"profile_status_type": "ProfileStatusChange"}


async def test_attachment_usage_and_expiry_are_seen_live_at_two_gateways(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/install", {})
    for step, used, status in (
        (10, 10.0, "ACTIVE"),
        (490, 500.0, "ACTIVE"),
        (300, 800.0, "ACTIVE"),
        (200, 1000.0, "EXPIRED"),
    ):
        await stage.control("POST", f"{act}/use-data", {"megabytes": step, "country": "GB"})
        event = await stage.both_receive(status=status, dataUsed=used)
        assert event["dataRemaining"] == 1000.0 - used
    assert (await stage.details())["status"] == "EXPIRED"


async def test_an_install_callback_is_seen_live(stage: Stage) -> None:
    await stage.control("POST", "/switches", WITH_PROFILES)
    assert (await stage.details())["profileStatus"] == "RELEASED"
    await stage.control("POST", f"/esims/{stage.esim['iccid']}/install", {})
    assert (await stage.both_receive(profileStatus="INSTALLED"))["status"] == "ASSIGNED"
    details = await stage.details()
    assert (details["profileStatus"], details["status"]) == ("INSTALLED", "ASSIGNED")
    installed = details["installedDate"]
    await stage.control("POST", "/clock/advance", {"minutes": 1})
    await stage.control("POST", f"/esims/{stage.esim['iccid']}/remove", {})
    await stage.both_receive(profileStatus="RELEASED")
    assert (await stage.details())["installedDate"] == installed


async def test_an_install_without_a_callback_is_seen_at_the_next_refresh(stage: Stage) -> None:
    assert (await stage.details())["profileStatus"] == "RELEASED"
    await stage.control("POST", f"/esims/{stage.esim['iccid']}/install", {})
    since = await stage.later(seconds=301)
    while read_at(details := await stage.details()) < since:
        pass  # its subscriber had refreshed it before
    assert details["profileStatus"] == "INSTALLED"
    assert details["installedDate"] is not None
    await stage.both_receive(profileStatus="INSTALLED")


async def test_an_install_without_a_callback_reaches_subscribers_without_a_query(
    stage: Stage,
) -> None:
    await stage.both_receive(profileStatus="RELEASED")
    await stage.control("POST", f"/esims/{stage.esim['iccid']}/install", {})
    await stage.both_receive(profileStatus="INSTALLED")


async def test_a_list_shows_the_result_of_its_own_refresh(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    assert (await stage.details())["profileStatus"] == "RELEASED"
    await stage.control("POST", "/callbacks", {"url": ""})
    await stage.control("POST", f"{act}/use-data", {"megabytes": 1000, "country": "GB"})
    since = await stage.later(seconds=301)
    query = (
        "{ myESIMs { id status profileStatus bundles { state } usage { totalRemaining asOf } } }"
    )
    while True:
        esims = (await stage.customer.ask(query)).data["myESIMs"]
        (used,) = [esim for esim in esims if esim["id"] == stage.esim["id"]]
        if read_at(used) >= since:
            break  # otherwise its subscriber had refreshed it before
    assert (used["status"], used["profileStatus"]) == ("EXPIRED", "INSTALLED")
    assert used["bundles"] == [{"state": "EXPIRED"}]


async def test_graphql_ws_clients_at_two_gateways_see_each_step_of_two_esims(
    stage: Stage, script: Script
) -> None:
    await stage.control("POST", "/switches", WITH_PROFILES)
    output = await script(
        "conformance/follow_life.mjs",
        json.dumps([f"{url}/graphql" for url in stage.urls]),
        json.dumps(stage.provider_control),
        json.dumps(stage.customer.token),
        json.dumps([stage.esim, stage.other]),
    )
    steps = json.loads(output)
    for step in steps:
        one, other = step["received"]
        assert {**one, "updatedAt": ""} == {**other, "updatedAt": ""}
        for details in step["details"]:
            assert details["status"] == one["status"]
            # The provider reports a deleted eSIM as Deactivated on request, without a callback.
            assert details["profileStatus"] in (one["profileStatus"], "DEACTIVATED")
    events = [step["received"][0] for step in steps]
    assert [now["status"] for now in events] == [
        *("ASSIGNED", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "EXPIRED"),
        *("ACTIVE", "EXPIRED", "EXPIRED", "CANCELLED"),
    ]
    assert [now["dataUsed"] for now in events[1:6]] == [0, 10, 500, 800, 1000]
    # The country has its own callback, before those of the steps after the attachment.
    assert [steps[n]["details"][0]["lastCountry"] for n in (0, 5)] == [None, "GB"]
    dates = [step["details"][0]["deletionDate"] for step in steps]
    assert [date is not None for date in dates[6:]] == [False, False, True, True]


async def test_an_expiry_without_a_callback_is_seen_live(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await stage.both_receive(status="ACTIVE", dataUsed=10.0)
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_receive(status="EXPIRED")
    details = await stage.details()
    assert details["status"] == "EXPIRED"
    assert [bundle["state"] for bundle in details["bundles"]] == ["EXPIRED"]


async def test_an_idle_esim_is_announced_for_deletion_and_deleted_live(stage: Stage) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await stage.both_receive(status="ACTIVE", dataUsed=10.0)
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_receive(status="EXPIRED")
    assert (await stage.details())["deletionDate"] is None
    await stage.control("POST", "/clock/advance", {"days": 175})
    for follower in stage.followers:
        while follower.now["deletionDate"] is None:
            await follower.receive()
        assert follower.now["deletionDate"] == (await stage.details())["deletionDate"]
    await stage.control("POST", "/clock/advance", {"days": 8})
    await stage.both_receive(status="CANCELLED")
    assert (await stage.details())["status"] == "CANCELLED"
