"""Undated callbacks repeated after the dedupe window: old news must not count as the newest."""

import json
from typing import Any

import pytest

from tests.component.webhooks.conftest import Platform
from tests.fixtures.patience import until

CODE = "LPA:1$first.example$FIRST"


async def later(platform: Platform) -> None:
    """Age everything that was received so far by a day."""
    await platform.databases.admin.execute(
        "update webhooks.inbox set received_at = received_at - interval '1 day'"
    )


def country(iccid: str, code: str) -> bytes:
    callback = {
        "alertType": "CountryChange",
        "iccid": iccid,
        "country": {"code": code, "name": code},
    }
    return json.dumps(callback).encode()


def number(iccid: str, kind: str) -> bytes:
    return json.dumps({"alertType": kind, "iccid": iccid, "msisdn": "447700900123"}).encode()


def assigned(iccid: str, code: str) -> bytes:
    return json.dumps(
        {"event": "esim.assigned", "data": {"iccid": iccid, "qr_code": code}}
    ).encode()


def profile(iccid: str, status: str) -> bytes:
    return json.dumps({"iccid": iccid, "profileStatus": status}).encode()


@pytest.mark.parametrize(
    ("old", "new", "column", "expected"),
    [
        (lambda i: country(i, "FR"), lambda i: country(i, "DE"), "last_country", "DE"),
        (lambda i: number(i, "MSISDNEnabled"), lambda i: number(i, "MSISDNDisabled"), "msisdn", ""),
        (
            lambda i: assigned(i, CODE),
            lambda i: assigned(i, "LPA:1$second.example$SECOND"),
            "matching_id",
            "SECOND",
        ),
        (
            lambda i: profile(i, "Installed"),
            lambda i: profile(i, "Released"),
            "profile_status",
            "Released",
        ),
    ],
)
@pytest.mark.parametrize("rewritten", [False, True])
async def test_a_report_without_a_time_is_applied_once(
    platform: Platform, old: Any, new: Any, column: str, expected: str, rewritten: bool
) -> None:
    esim = await platform.esim()
    # The provider, which knows nothing of these reports, must not correct them meanwhile.
    silent = {"path": "/esims/*", "status": 403, "count": 0}
    await platform.provider.control("POST", "/faults", silent)
    first = old(esim.iccid)
    assert (await platform.post.deliver(first))["outcome"] == "APPLIED"
    await later(platform)
    assert (await platform.post.deliver(new(esim.iccid)))["outcome"] == "APPLIED"
    await later(platform)
    if rewritten:  # the same content in other bytes
        first = json.dumps(dict(reversed(json.loads(first).items())), indent=2).encode()
    again = await platform.post.deliver(first)
    assert again["outcome"] == "READ_QUEUED"
    assert (await platform.row(esim))[column] == expected


async def test_a_repeat_that_contradicts_nothing_changes_nothing(platform: Platform) -> None:
    esim = await platform.esim()
    attachment = {"alertType": "FirstAttachment", "iccid": esim.iccid}
    for body in (country(esim.iccid, "FR"), attachment):
        await platform.post.deliver(body)
    before = await platform.row(esim)
    await later(platform)
    assert (await platform.post.deliver(attachment))["outcome"] == "UNCHANGED"
    assert (await platform.row(esim))["activated_at"] == before["activated_at"]


async def test_a_report_that_was_never_delivered_is_applied_when_repeated(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    await platform.databases.admin.execute("revoke update on esims.esims from esims_system")
    dead = await platform.post.send(country(esim.iccid, "FR"))
    await platform.post.settled(dead, "DEAD")
    await platform.databases.admin.execute("grant update on esims.esims to esims_system")
    await later(platform)
    assert (await platform.post.deliver(country(esim.iccid, "FR")))["outcome"] == "APPLIED"
    assert (await platform.row(esim))["last_country"] == "FR"


async def test_a_repeated_usage_report_does_not_expire_a_bundle_again(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    await platform.read(esim)
    (known,) = await platform.bundles(esim)
    used_up = {
        "alertType": "Utilisation",
        "iccid": esim.iccid,
        "bundle": {
            "id": known["assignment_id"],
            "name": known["name"],
            "initialQuantity": 10**9,
            "remainingQuantity": 0,
            "unlimited": False,
        },
    }
    assert (await platform.post.deliver(used_up))["outcome"] == "APPLIED"
    # As a refresh corrects it.
    await platform.databases.admin.execute(
        "update esims.esim_bundles set state = 'active', remaining_bytes = 500000000"
    )
    await later(platform)
    assert (await platform.post.deliver(used_up))["outcome"] == "READ_QUEUED"
    (bundle,) = await platform.bundles(esim)
    # As it was, or as the queued refresh has found it meanwhile.
    assert (bundle["state"], bundle["remaining_bytes"]) in (
        ("active", 500_000_000),
        ("queued", 10**9),
    )


async def test_a_repeated_country_report_is_resolved_by_the_provider(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    for code in ("FR", "DE"):
        await platform.post.deliver(country(esim.iccid, code))
        await later(platform)
    # An old callback, sent again: the provider has not seen the eSIM anywhere.
    assert (await platform.post.deliver(country(esim.iccid, "FR")))["outcome"] == "READ_QUEUED"
    await later(platform)
    await until(lambda: asked_where(platform, esim.iccid))
    assert (await platform.row(esim))["last_country"] == "DE"
    # A traveler who returned.
    await platform.provider.control("POST", f"/esims/{esim.iccid}/attach", {"country": "FR"})
    assert (await platform.post.deliver(country(esim.iccid, "FR")))["outcome"] == "READ_QUEUED"
    await platform.databases.until("select last_country = 'FR' from esims.esims")


async def asked_where(platform: Platform, iccid: str) -> bool:
    log = (await platform.provider.control("GET", "/requests"))["requests"]
    return any(f"/esims/{iccid}/location" in request["path"] for request in log)


@pytest.mark.parametrize("date", ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_a_code_dated_in_the_future_is_replaced_by_the_next_one(
    platform: Platform, date: str
) -> None:
    esim = await platform.esim()
    data = {"iccid": esim.iccid, "qr_code": CODE, "assigned_date": date}
    await platform.post.deliver({"event": "esim.assigned", "data": data})
    assert (await platform.row(esim))["matching_id"] == "FIRST"
    await platform.post.deliver(assigned(esim.iccid, "LPA:1$second.example$SECOND"))
    assert (await platform.row(esim))["matching_id"] == "SECOND"


async def test_a_number_that_is_enabled_again_is_resolved_by_the_provider(
    platform: Platform,
) -> None:
    """The third body equals the first: it may be the first, sent again."""
    esim = await platform.esim()
    for kind in ("MSISDNEnabled", "MSISDNDisabled"):
        await platform.post.deliver(number(esim.iccid, kind))
        await later(platform)
    # As if the second had arrived a minute ago: the API may lag behind callbacks for a moment.
    await platform.databases.admin.execute(
        "update esims.esims set msisdn_at = msisdn_at - interval '1 minute'"
    )
    details = {"iccid": esim.iccid, "state": "active", "msisdn": "447700900123"}
    fault = {"method": "GET", "path": f"/esims/{esim.iccid}", "status": 200, "body": details}
    await platform.provider.control("POST", "/faults", {**fault, "count": 0})
    again = await platform.post.deliver(number(esim.iccid, "MSISDNEnabled"))
    assert again["outcome"] == "READ_QUEUED"
    await platform.databases.until("select msisdn = '447700900123' from esims.esims")
