"""Callbacks with wrong or impossible content are corrected, or change nothing that customers see."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.component.platform.followed_esim import FollowedESIM
from tests.fixtures.postgres import Databases


def use(esim: Any, **bundle: Any) -> dict[str, Any]:
    """A V3 Utilisation callback about the eSIM's only bundle."""
    (known,) = esim["bundles"]
    reported = {"id": known["id"], "name": known["name"], "initialQuantity": 10**9, **bundle}
    return {"alertType": "Utilisation", "iccid": esim["iccid"], "bundle": reported}


WRONG: list[Callable[[Any], dict[str, Any]]] = [
    lambda esim: use(esim, remainingQuantity=0, unlimited=False),
    lambda esim: {
        "event": "bundle.expired",
        "data": {"iccid": esim["iccid"], "bundle_name": esim["bundles"][0]["name"]},
    },
    lambda esim: {"event": "esim.deleted", "iccid": esim["iccid"], "date": "2026-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_callback_is_corrected_live_by_the_next_refresh(
    followed: FollowedESIM, databases: Databases, wrong: Callable[[Any], dict[str, Any]]
) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    # On a slow machine, a refresh in the background could be what corrects it: one of those for subscribers
    # until an eSIM is installed, or the one half a minute after an uncertain callback.
    await followed.control("POST", f"{act}/use-data", {"megabytes": 250, "country": "GB"})
    await followed.both_receive(status="ACTIVE", dataUsed=250.0, profileStatus="INSTALLED")
    await databases.admin.execute("update esims.esims set follow_at = null")
    about = await followed.details()
    await followed.control("POST", "/callbacks/send", wrong(about))
    for follower in followed.followers:
        while follower.now["status"] == "ACTIVE":
            await follower.receive()
    assert (await followed.details())["status"] in ("EXPIRED", "CANCELLED")
    await followed.later(seconds=301)
    corrected = await followed.details()
    assert corrected["status"] == "ACTIVE"
    assert corrected["bundles"][0]["state"] == "ACTIVE"
    assert corrected["usage"]["totalRemaining"] == 750.0
    event = await followed.both_receive(status="ACTIVE", dataUsed=250.0)
    assert event["dataRemaining"] == 750.0


async def test_a_usage_report_in_minutes_or_an_unknown_unit_does_not_change_the_data(
    followed: FollowedESIM,
) -> None:
    act = f"/esims/{followed.esim['iccid']}"
    await followed.control("POST", f"{act}/use-data", {"megabytes": 250, "country": "GB"})
    await followed.both_receive(status="ACTIVE", dataUsed=250.0)
    about = await followed.details()
    for unit in ("minutes", "SMS", "furlongs", 7):
        body = use(about, remainingQuantity=0, unlimited=False, unit=unit)
        await followed.control("POST", "/callbacks/send", body)
    # A later callback shows that the earlier ones took effect.
    await followed.control("POST", f"{act}/use-data", {"megabytes": 300, "country": "GB"})
    received = []
    for follower in followed.followers:
        while follower.now["dataUsed"] != 550.0:
            received.append(follower.now)
            await follower.receive()
    # The provider reports 50 % of the data on the way, which a follower may see.
    assert {(now["status"], now["dataUsed"]) for now in received} <= {
        ("ACTIVE", 250.0),
        ("ACTIVE", 500.0),
    }


async def test_impossible_dates_in_callbacks_break_no_reads(followed: FollowedESIM) -> None:
    about = await followed.details()
    iccid = followed.esim["iccid"]
    for date in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"):
        for body in (
            {"iccid": iccid, "profileStatus": "Downloaded", "timestamp": date},
            {"event": "esim.deletion_scheduled", "iccid": iccid, "date": date},
            {"alertType": "SMSFailed", "iccid": iccid, "timestamp": date},
            {"event": "esim.activated", "data": {"iccid": iccid, "activated_date": date}},
            use(about, remainingQuantity=10**9, startTime=date, endTime=date),
        ):
            await followed.control("POST", "/callbacks/send", body)
    await followed.control(
        "POST", "/callbacks/send", {"iccid": iccid, "profileStatus": "Installed"}
    )
    await followed.both_receive(profileStatus="INSTALLED")
    await followed.later(seconds=301)
    answer = await followed.customer.ask(
        "{ myESIMs { iccid status deletionDate installedDate bundles { startDate endDate }"
        " usage { totalRemaining } order { esims { deletionDate } } } }"
    )
    assert "errors" not in answer.body
    for esim in answer.data["myESIMs"]:
        for date in (esim["deletionDate"], esim["installedDate"]):
            assert date is None or date > "2026-"
    for esim in (followed.esim, followed.other):
        await followed.control("POST", f"/esims/{esim['iccid']}/use-data", {"megabytes": 10})
    await followed.both_receive(status="ACTIVE", dataUsed=10.0)
