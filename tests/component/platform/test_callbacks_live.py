"""The sandbox's callbacks change an eSIM, and its customer sees it live through two gateways."""

import json

from tests.component.platform.followed_esim import WITH_PROFILES, FollowedESIM, read_at
from tests.fixtures.browser.javascript import Script
from tests.fixtures.postgres import Databases

# The callbacks of an install: Downloaded, and Installed.
INSTALLED = "select count(*) = 2 from webhooks.deliveries where state = 'DELIVERED'"


async def test_attachment_usage_and_expiry_are_seen_live_at_two_gateways(
    followed: FollowedESIM,
) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    await followed.control("POST", f"{act}/install", {})
    for step, used, status in (
        (10, 10.0, "ACTIVE"),
        (490, 500.0, "ACTIVE"),
        (300, 800.0, "ACTIVE"),
        (200, 1000.0, "EXPIRED"),
    ):
        await followed.control("POST", f"{act}/use-data", {"megabytes": step, "country": "GB"})
        event = await followed.both_receive(status=status, dataUsed=used)
        assert event["dataRemaining"] == 1000.0 - used
    assert (await followed.details())["status"] == "EXPIRED"


async def test_an_install_callback_is_seen_live(
    followed: FollowedESIM, databases: Databases
) -> None:
    await followed.control("POST", "/switches", WITH_PROFILES)
    assert (await followed.details())["profileStatus"] == "RELEASED"
    await followed.control("POST", f"/esims/{followed.esim['iccid']}/install", {})
    assert (await followed.both_receive(profileStatus="INSTALLED"))["status"] == "ASSIGNED"
    # A refresh may have come first, and its time of the install has fractions of a second. That of the
    # callback has none, and the earlier one counts.
    await databases.until(INSTALLED)
    details = await followed.details()
    assert (details["profileStatus"], details["status"]) == ("INSTALLED", "ASSIGNED")
    installed = details["installedDate"]
    await followed.control("POST", "/clock/advance", {"minutes": 1})
    await followed.control("POST", f"/esims/{followed.esim['iccid']}/remove", {})
    await followed.both_receive(profileStatus="RELEASED")
    assert (await followed.details())["installedDate"] == installed


async def test_an_install_without_a_callback_is_seen_at_the_next_refresh(
    followed: FollowedESIM,
) -> None:
    assert (await followed.details())["profileStatus"] == "RELEASED"
    await followed.control("POST", f"/esims/{followed.esim['iccid']}/install", {})
    since = await followed.later(seconds=301)
    while read_at(details := await followed.details()) < since:
        pass  # its subscriber had refreshed it before
    assert details["profileStatus"] == "INSTALLED"
    assert details["installedDate"] is not None
    await followed.both_receive(profileStatus="INSTALLED")


async def test_an_install_without_a_callback_reaches_subscribers_without_a_query(
    followed: FollowedESIM,
) -> None:
    await followed.both_receive(profileStatus="RELEASED")
    await followed.control("POST", f"/esims/{followed.esim['iccid']}/install", {})
    await followed.both_receive(profileStatus="INSTALLED")


async def test_a_list_shows_the_result_of_its_own_refresh(followed: FollowedESIM) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    assert (await followed.details())["profileStatus"] == "RELEASED"
    await followed.control("POST", "/callbacks", {"url": ""})
    await followed.control("POST", f"{act}/use-data", {"megabytes": 1000, "country": "GB"})
    since = await followed.later(seconds=301)
    query = (
        "{ myESIMs { id status profileStatus bundles { state } usage { totalRemaining asOf } } }"
    )
    while True:
        esims = (await followed.customer.ask(query)).data["myESIMs"]
        (used,) = [esim for esim in esims if esim["id"] == followed.esim["id"]]
        if read_at(used) >= since:
            break  # otherwise its subscriber had refreshed it before
    assert (used["status"], used["profileStatus"]) == ("EXPIRED", "INSTALLED")
    assert used["bundles"] == [{"state": "EXPIRED"}]


async def test_graphql_ws_clients_at_two_gateways_see_each_step_of_two_esims(
    followed: FollowedESIM, script: Script
) -> None:
    await followed.control("POST", "/switches", WITH_PROFILES)
    output = await script(
        "conformance/follow_life.mjs",
        json.dumps([f"{url}/graphql" for url in followed.urls]),
        json.dumps(followed.provider_control),
        json.dumps(followed.customer.token),
        json.dumps([followed.esim, followed.other]),
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


async def test_an_expiry_without_a_callback_is_seen_live(followed: FollowedESIM) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    await followed.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await followed.both_receive(status="ACTIVE", dataUsed=10.0)
    await followed.control("POST", "/clock/advance", {"days": 8})
    await followed.both_receive(status="EXPIRED")
    details = await followed.details()
    assert details["status"] == "EXPIRED"
    assert [bundle["state"] for bundle in details["bundles"]] == ["EXPIRED"]


async def test_an_idle_esim_is_announced_for_deletion_and_deleted_live(
    followed: FollowedESIM,
) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    await followed.control("POST", f"{act}/use-data", {"megabytes": 10, "country": "GB"})
    await followed.both_receive(status="ACTIVE", dataUsed=10.0)
    await followed.control("POST", "/clock/advance", {"days": 8})
    await followed.both_receive(status="EXPIRED")
    assert (await followed.details())["deletionDate"] is None
    await followed.control("POST", "/clock/advance", {"days": 175})
    for follower in followed.followers:
        while follower.now["deletionDate"] is None:
            await follower.receive()
        assert follower.now["deletionDate"] == (await followed.details())["deletionDate"]
    await followed.control("POST", "/clock/advance", {"days": 8})
    await followed.both_receive(status="CANCELLED")
    assert (await followed.details())["status"] == "CANCELLED"
