"""Writes the provider's callbacks to the outbox when the state changes."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.state.clock import written_seconds
from sandbox.state.exact import exact
from sandbox.state.records import NOTHING_TOLD, Assignment, Delivery, Esim
from sandbox.state.world import World

# LowBalance is sent at these percentages of the threshold.
LOW_BALANCE_STEPS = (100, 75, 50, 10)
# Maximum number of InsufficientBalance callbacks until the next top-up.
MOST_INSUFFICIENT = 10


def emit(world: World, kind: str, iccid: str, body: dict[str, Any], at: datetime) -> None:
    """Add a callback to the outbox, in as many copies as the switch callback_copies."""
    if "iccid" in body and world.switches.callback_iccid == "number":
        body = {**body, "iccid": int(body["iccid"])}
    text = json.dumps(body, default=exact, separators=(",", ":"), ensure_ascii=False)
    for _ in range(world.switches.callback_copies):
        sequence = world.ids.sequence()
        world.deliveries.add(str(sequence), Delivery(sequence, kind, iccid, text, at))


def usage_alert(world: World, kind: str, assignment: Assignment, left: int, at: datetime) -> None:
    """Send Utilisation or FirstUse, in the format of the selected callback version."""
    body = {
        "iccid": assignment.iccid,
        "alertType": kind,
        "bundle": _bundle(world, assignment, left),
    }
    emit(world, kind, assignment.iccid, body, at)


def _bundle(world: World, assignment: Assignment, left: int) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": assignment.bundle,
        "initialQuantity": assignment.initial,
        "remainingQuantity": left,
    }
    if assignment.started_at and assignment.ends_at:
        content["startTime"] = written_seconds(assignment.started_at)
        content["endTime"] = written_seconds(assignment.ends_at)
    if world.switches.callback_version == "V3":
        content |= {
            "id": assignment.id,
            "reference": assignment.reference,
            "description": assignment.description,
            "unlimited": assignment.unlimited,
        }
    return content


def first_attachment(world: World, esim: Esim, at: datetime) -> None:
    """Send FirstAttachment, when the eSIM registers in a network for the first time."""
    body = {"alertType": "FirstAttachment", "iccid": esim.iccid}
    emit(world, "FirstAttachment", esim.iccid, body, at)
    platform_event(
        world, "esim.activated", {"iccid": esim.iccid, "activated_date": written_seconds(at)}, at
    )


def country_change(world: World, esim: Esim, iso: str, name: str, at: datetime) -> None:
    """Send CountryChange, when the eSIM registers in a country where it was not for a day."""
    body = {
        "alertType": "CountryChange",
        "iccid": esim.iccid,
        "country": {"code": iso, "name": name},
    }
    emit(world, "CountryChange", esim.iccid, body, at)


def topped_up(world: World, kind: str, before: Decimal, at: datetime) -> None:
    """Send Topup, AutoTopup or eSIMGoTopup; the amounts are balances."""
    body = {"alertType": kind, "bundle": {"oldAmount": before, "newAmount": world.account.balance}}
    emit(world, kind, "", body, at)
    balance_rose(world)


def balance_rose(world: World) -> None:
    """Reset the LowBalance steps that are below the balance."""
    world.account.insufficient_told = 0
    world.account.low_balance_told = next(
        (step for step in reversed(LOW_BALANCE_STEPS) if _percent_left(world) <= step), NOTHING_TOLD
    )


def balance_fell(world: World, at: datetime) -> None:
    """Send LowBalance, if the balance fell below a step that was not reported yet."""
    percent = _percent_left(world)
    reached = [step for step in LOW_BALANCE_STEPS if percent <= step]
    if reached and reached[-1] < world.account.low_balance_told:
        world.account.low_balance_told = reached[-1]
        _balance(world, "LowBalance", at)


def purchase_refused(world: World, at: datetime) -> None:
    """Send InsufficientBalance, at most ten times until the next top-up."""
    if world.account.insufficient_told < MOST_INSUFFICIENT:
        world.account.insufficient_told += 1
        _balance(world, "InsufficientBalance", at)


def _percent_left(world: World) -> Decimal:
    threshold = Decimal(world.switches.low_balance_threshold)
    share = world.account.balance / threshold * 100 if threshold else Decimal(101)
    return round(share, 2)


def _balance(world: World, kind: str, at: datetime) -> None:
    info = {
        "balance": world.account.balance,
        "threshold": world.switches.low_balance_threshold,
        "thresholdPercentRemaining": _percent_left(world),
    }
    emit(world, kind, "", {"alertType": kind, "balanceInfo": info}, at)


def deletion(world: World, event: str, iccid: str, at: datetime) -> None:
    """Send esim.deletion_scheduled or esim.deleted."""
    emit(world, event, iccid, {"date": written_seconds(at), "event": event, "iccid": iccid}, at)


def number_enabled(world: World, esim: Esim, at: datetime) -> None:
    """Send a callback, when a bundle with voice or SMS gives the eSIM a phone number."""
    body = {
        "alertType": "MSISDNEnabled",
        "iccid": esim.iccid,
        "msisdn": esim.number,
        "reason": "Bundle added",
    }
    emit(world, "MSISDNEnabled", esim.iccid, body, at)


def number_disabled(world: World, esim: Esim, reason: str, at: datetime) -> None:
    """Send a callback, when the last bundle with voice or SMS ends, with the provider's `reason`."""
    body = {
        "alertType": "MSISDNDisabled",
        "iccid": esim.iccid,
        "msisdn": esim.number,
        "reason": reason,
    }
    emit(world, "MSISDNDisabled", esim.iccid, body, at)


def sms_failed(world: World, esim: Esim, at: datetime) -> None:
    """Send a callback, when a message could not be delivered to the eSIM."""
    body = {"iccid": esim.iccid, "alertType": "SMSFailed", "timestamp": written_seconds(at)}
    emit(world, "SMSFailed", esim.iccid, body, at)


def profile_status(world: World, esim: Esim, at: datetime) -> None:
    """Send Profile Status Change as the switch says, since its type is not documented."""
    kind = world.switches.profile_status_type
    if kind == "none":
        return
    device = {"eid": esim.eid}
    if esim.profile_status == "Installed":
        device |= {"imei": esim.imei, "tac": esim.imei[:8], "make": "Sandbox", "model": "Phone 1"}
    body = {
        **({} if kind == "untyped" else {"alertType": kind}),
        "iccid": esim.iccid,
        "profileStatus": esim.profile_status,
        "timestamp": written_seconds(at),
        "device": device,
    }
    emit(world, kind, esim.iccid, body, at)


def platform_event(world: World, event: str, data: dict[str, Any], at: datetime) -> None:
    """Send a documented platform event, `{event, data}`, if the switch is on."""
    if world.switches.platform_events:
        emit(world, event, str(data.get("iccid", "")), {"event": event, "data": data}, at)
