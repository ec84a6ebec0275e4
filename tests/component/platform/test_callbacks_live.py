"""The sandbox's callbacks change an eSIM, and its customer sees it live through two gateways."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

import gateway.__main__
import webhooks.__main__
from tests.fixtures.gateway import Client
from tests.fixtures.javascript import Script
from tests.fixtures.neighbours import Serving
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import Socket, connected

STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    status profileStatus dataUsed dataRemaining deletionDate } }"""
# The provider's documents don't name the type of Profile Status Change, so the sandbox sends whichever
# type the test sets, and the platform recognizes the callback by its content.
WITH_PROFILES = {"profile_status_type": "ProfileStatusChange"}


@dataclass(slots=True)
class Follower:
    """A subscriber to one eSIM; `now` is the latest event."""

    socket: Socket
    now: Any

    async def receive(self) -> None:
        self.now = (await self.socket.data())["esimStatusUpdated"]

    async def receive_until(self, **wanted: Any) -> Any:
        """Wait until the latest event has these values; it may have them already."""
        while any(self.now[key] != value for key, value in wanted.items()):
            await self.receive()
        return self.now


@dataclass(frozen=True, slots=True)
class Stage:
    """A customer with two eSIMs who follows the first one through two gateways."""

    customer: Client
    urls: list[str]
    esim: dict[str, Any]
    other: dict[str, Any]
    followers: list[Follower]
    control: Callable[..., Awaitable[Any]]
    provider_control: str

    async def both_receive(self, **wanted: Any) -> Any:
        """Wait until both gateways have sent it; returns the last event."""
        for follower in self.followers:
            event = await follower.receive_until(**wanted)
        return event

    async def details(self) -> Any:
        answer = await self.customer.ask(
            "query($id: ID!) { esimDetails(id: $id) {"
            " iccid status profileStatus installedDate deletionDate bundles { id name state }"
            " usage { totalRemaining asOf } } }",
            id=self.esim["id"],
        )
        return answer.data["esimDetails"]

    async def later(self, *, seconds: int) -> datetime:
        """Advance the clock and return the new time."""
        moved = await self.control("POST", "/clock/advance", {"seconds": seconds})
        return datetime.fromisoformat(moved["now"])


def read_at(esim: Any) -> datetime:
    """Return when the usage was last read from the provider; `datetime.min` if it never was."""
    usage = esim["usage"]
    return datetime.fromisoformat(usage["asOf"]) if usage else datetime.min.replace(tzinfo=UTC)


@pytest.fixture
async def stage(platform: Platform, databases: Databases, serving: Serving) -> AsyncIterator[Stage]:
    ann = await platform.customer("ann@example.com")
    esim, other = (await platform.buy(ann, quantity=2))["esims"]
    async with AsyncExitStack() as parts:
        door = await parts.enter_async_context(
            serving(webhooks.__main__.serve, platform.webhooks(databases))
        )
        url = f"http://127.0.0.1:{door}/webhooks/esim-go"
        await platform.provider.control("POST", "/callbacks", {"url": url})
        port = await parts.enter_async_context(
            serving(gateway.__main__.serve, platform.gateway_settings)
        )
        elsewhere = replace(ann, url=f"http://127.0.0.1:{port}")
        followers = []
        for customer in (ann, elsewhere):
            socket = await parts.enter_async_context(connected(customer))
            await socket.subscribe(STATUS, id=esim["id"])
            follower = Follower(socket, (await socket.data())["esimStatusUpdated"])
            await follower.receive_until(status="ASSIGNED")
            followers.append(follower)
        yield Stage(
            customer=ann,
            urls=[ann.url, elsewhere.url],
            esim=esim,
            other=other,
            followers=followers,
            control=platform.provider.control,
            provider_control=platform.provider.control_url,
        )


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
    stage: Stage, wrong: Callable[[Any], dict[str, Any]]
) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 250, "country": "GB"})
    await stage.both_receive(status="ACTIVE", dataUsed=250.0)
    about = await stage.details()
    await stage.control("POST", "/callbacks/send", wrong(about))
    for follower in stage.followers:
        while follower.now["status"] == "ACTIVE":
            await follower.receive()
    assert (await stage.details())["status"] in ("EXPIRED", "CANCELLED")
    await stage.later(seconds=301)
    corrected = await stage.details()
    assert corrected["status"] == "ACTIVE"
    assert corrected["bundles"][0]["state"] == "ACTIVE"
    assert corrected["usage"]["totalRemaining"] == 750.0
    event = await stage.both_receive(status="ACTIVE", dataUsed=250.0)
    assert event["dataRemaining"] == 750.0


async def test_a_usage_report_in_minutes_or_an_unknown_unit_does_not_change_the_data(
    stage: Stage,
) -> None:
    act = f"/esims/{stage.esim['iccid']}"
    await stage.control("POST", f"{act}/use-data", {"megabytes": 250, "country": "GB"})
    await stage.both_receive(status="ACTIVE", dataUsed=250.0)
    about = await stage.details()
    for unit in ("minutes", "SMS", "furlongs", 7):
        body = use(about, remainingQuantity=0, unlimited=False, unit=unit)
        await stage.control("POST", "/callbacks/send", body)
    # A later callback shows that the earlier ones took effect.
    await stage.control("POST", f"{act}/use-data", {"megabytes": 300, "country": "GB"})
    received = []
    for follower in stage.followers:
        while follower.now["dataUsed"] != 550.0:
            received.append(follower.now)
            await follower.receive()
    assert {(now["status"], now["dataUsed"]) for now in received} == {("ACTIVE", 250.0)}


async def test_impossible_dates_in_callbacks_break_no_reads(stage: Stage) -> None:
    about = await stage.details()
    iccid = stage.esim["iccid"]
    for date in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"):
        for body in (
            {"iccid": iccid, "profileStatus": "Downloaded", "timestamp": date},
            {"event": "esim.deletion_scheduled", "iccid": iccid, "date": date},
            {"alertType": "SMSFailed", "iccid": iccid, "timestamp": date},
            {"event": "esim.activated", "data": {"iccid": iccid, "activated_date": date}},
            use(about, remainingQuantity=10**9, startTime=date, endTime=date),
        ):
            await stage.control("POST", "/callbacks/send", body)
    await stage.control("POST", "/callbacks/send", {"iccid": iccid, "profileStatus": "Installed"})
    await stage.both_receive(profileStatus="INSTALLED")
    await stage.later(seconds=301)
    answer = await stage.customer.ask(
        "{ myESIMs { iccid status deletionDate installedDate bundles { startDate endDate }"
        " usage { totalRemaining } order { esims { deletionDate } } } }"
    )
    assert "errors" not in answer.body
    for esim in answer.data["myESIMs"]:
        for date in (esim["deletionDate"], esim["installedDate"]):
            assert date is None or date > "2026-"
    for esim in (stage.esim, stage.other):
        await stage.control("POST", f"/esims/{esim['iccid']}/use-data", {"megabytes": 10})
    await stage.both_receive(status="ACTIVE", dataUsed=10.0)


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
        one, other = step["told"]
        assert {**one, "updatedAt": ""} == {**other, "updatedAt": ""}
        for details in step["details"]:
            assert details["status"] == one["status"]
            # The provider reports a deleted eSIM as Deactivated on request, without a callback.
            assert details["profileStatus"] in (one["profileStatus"], "DEACTIVATED")
    events = [step["told"][0] for step in steps]
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
