"""The effect of each callback on an eSIM: posted, delivered, and written by its service."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.component.webhooks.conftest import Platform

STARTED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
START = f"{STARTED:%Y-%m-%dT%H:%M:%SZ}"
END = f"{STARTED + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
EARLIER = f"{STARTED - timedelta(minutes=12):%Y-%m-%dT%H:%M:%SZ}"
LATER = f"{STARTED + timedelta(hours=20):%Y-%m-%dT%H:%M:%SZ}"


def utilisation(iccid: str, remaining: int, **bundle: Any) -> dict[str, Any]:
    return {
        "iccid": iccid,
        "alertType": "Utilisation",
        "bundle": {
            "name": "esim_1GB_7D_GB_V2",
            "initialQuantity": 1_000_000_000,
            "remainingQuantity": remaining,
            "startTime": START,
            "endTime": END,
            **bundle,
        },
    }


async def test_the_first_attachment_activates_the_esim(platform: Platform) -> None:
    esim = await platform.esim()
    row = await platform.post.deliver({"alertType": "FirstAttachment", "iccid": esim.iccid})
    assert row["outcome"] == "APPLIED"
    stored = await platform.row(esim)
    assert (stored["status"], stored["last_action"]) == ("ACTIVE", "Activated")


async def test_an_iccid_as_a_number_keeps_its_digits(platform: Platform) -> None:
    esim = await platform.esim()
    await platform.post.deliver(b'{"alertType":"FirstAttachment","iccid":%s}' % esim.iccid.encode())
    assert (await platform.row(esim))["status"] == "ACTIVE"


async def test_utilisation_v3_is_applied_to_its_assignment(platform: Platform) -> None:
    esim = await platform.esim()
    body = utilisation(esim.iccid, 200_000_000, id="77", unlimited=False, description="1 GB")
    await platform.post.deliver(body)
    (bundle,) = await platform.bundles(esim)
    assert (bundle["assignment_id"], bundle["state"]) == ("77", "active")
    assert (bundle["initial_bytes"], bundle["remaining_bytes"]) == (1_000_000_000, 200_000_000)
    assert bundle["started_at"] == STARTED
    assert (await platform.row(esim))["status"] == "ACTIVE"


async def test_a_late_report_never_increases_the_remaining_data(platform: Platform) -> None:
    esim = await platform.esim()
    await platform.post.deliver(utilisation(esim.iccid, 200_000_000, id="77"))
    late = await platform.post.deliver(utilisation(esim.iccid, 500_000_000, id="77"))
    assert late["outcome"] == "UNCHANGED"
    (bundle,) = await platform.bundles(esim)
    assert bundle["remaining_bytes"] == 200_000_000


async def test_utilisation_v2_is_applied_to_the_only_bundle_of_that_name(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    await platform.read(esim)
    await platform.post.deliver(utilisation(esim.iccid, 200_000_000))
    (bundle,) = await platform.bundles(esim)
    assert (bundle["state"], bundle["remaining_bytes"]) == ("active", 200_000_000)


async def test_utilisation_v2_of_an_esim_without_a_snapshot_queries_the_provider(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    row = await platform.post.deliver(utilisation(esim.iccid, 200_000_000))
    assert row["outcome"] == "READ_QUEUED"
    while not (await platform.bundles(esim)):
        await platform.row(esim)
    (bundle,) = await platform.bundles(esim)
    assert bundle["remaining_bytes"] == 1_000_000_000  # as the provider reports


async def test_a_deletion_is_announced_with_its_date_and_then_carried_out(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    announced = {"date": START, "event": "esim.deletion_scheduled", "iccid": esim.iccid}
    await platform.post.deliver(announced)
    stored = await platform.row(esim)
    assert stored["deletion_announced_at"] == STARTED
    await platform.post.deliver({"date": LATER, "event": "esim.deleted", "iccid": esim.iccid})
    stored = await platform.row(esim)
    assert (stored["status"], stored["provider_state"]) == ("CANCELLED", "deactivated")
    await platform.post.deliver({"alertType": "FirstAttachment", "iccid": esim.iccid})
    assert (await platform.row(esim))["status"] == "CANCELLED"


async def test_a_suspended_esim_is_not_made_active_by_a_late_callback(platform: Platform) -> None:
    esim = await platform.esim()
    await platform.databases.admin.execute(
        "update esims.esims set provider_state = 'suspended', status = 'SUSPENDED'"
    )
    await platform.post.deliver({"alertType": "FirstAttachment", "iccid": esim.iccid})
    await platform.post.deliver(utilisation(esim.iccid, 200_000_000, id="77"))
    assert (await platform.row(esim))["status"] == "SUSPENDED"


async def test_country_number_profile_and_failed_message_are_stored(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    send = platform.post.deliver
    about = {"iccid": esim.iccid}
    await send(about | {"alertType": "CountryChange", "country": {"code": "FR", "name": "France"}})
    await send(about | {"alertType": "MSISDNEnabled", "msisdn": "447700900123", "reason": "-"})
    await send(about | {"profileStatus": "Installed", "timestamp": START, "device": {"eid": "1"}})
    await send(about | {"alertType": "SMSFailed", "timestamp": LATER})
    stored = await platform.row(esim)
    assert (stored["last_country"], stored["msisdn"]) == ("FR", "447700900123")
    assert stored["profile_status"] == "Installed"
    assert stored["message_failed_at"] - stored["profile_status_at"] == timedelta(hours=20)
    await send(about | {"profileStatus": "Downloaded", "timestamp": EARLIER})
    await send(about | {"alertType": "MSISDNDisabled", "msisdn": "447700900123", "reason": "-"})
    stored = await platform.row(esim)
    assert (stored["profile_status"], stored["msisdn"]) == ("Installed", "")


async def test_an_assigned_code_is_stored_and_an_older_one_is_ignored(platform: Platform) -> None:
    esim = await platform.esim()

    async def assigned(code: str, date: str) -> Any:
        data = {"iccid": esim.iccid, "qr_code": code, "assigned_date": date}
        await platform.post.deliver({"event": "esim.assigned", "data": data})
        stored = await platform.row(esim)
        return stored["smdp_address"], stored["matching_id"]

    assert await assigned("LPA:1$new.example$NEW-1", LATER) == ("new.example", "NEW-1")
    assert await assigned("LPA:1$old.example$OLD-1", START) == ("new.example", "NEW-1")


async def test_a_bundle_announced_by_name_becomes_the_providers_assignment(
    platform: Platform,
) -> None:
    esim = await platform.esim()
    data = {"iccid": esim.iccid, "bundle_name": "esim_1GB_7D_GB_V2", "start_date": START}
    await platform.post.deliver({"event": "bundle.activated", "data": data | {"end_date": END}})
    bundles = await platform.bundles(esim)
    assert [b["state"] for b in bundles] == ["active"]
    # The provider knows of it too; otherwise its response would revert the announcement.
    await platform.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await platform.read(esim)
    (bundle,) = await platform.bundles(esim)
    assert bundle["assignment_id"].isdigit()
    assert (bundle["state"], bundle["initial_bytes"]) == ("active", 1_000_000_000)
    await platform.post.deliver({"event": "bundle.expired", "data": data})
    (bundle,) = await platform.bundles(esim)
    assert bundle["state"] == "expired"
    assert (await platform.row(esim))["status"] == "EXPIRED"
