"""Handlers for eSIMs: list, details, reference, suspension, messages, history, location."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.api.call import Answer, Call, find_esim
from sandbox.api.orders import COMPARISONS, smdp_address_of
from sandbox.state import callbacks, lifecycle
from sandbox.state.catalogue import page_of
from sandbox.state.clock import read_instant, written, written_seconds
from sandbox.state.lifecycle import has_number, note
from sandbox.state.ordering import activation_code, fits
from sandbox.state.places import networks_of, read_places
from sandbox.state.records import Esim
from sandbox.state.refusal import Refusal, bad
from sandbox.state.world import World

# The only sender that needs no permission.
SENDER = "eSIM"


def list_esims(call: Call) -> Answer:
    """GET /esims."""
    rows = [_row(call.world, esim) for esim in call.world.esims]
    if "filter" in call.query or "filterBy" in call.query:
        matches = _filter(call.query.get("filterBy"), call.query.get("filter"))
        rows = [row for row in rows if matches(row)]
    if "orderBy" in call.query or "direction" in call.query:
        rows.sort(key=lambda row: str(row["iccid"]), reverse=call.query.get("direction") == "desc")
    size = call.query.get("perPage", call.world.switches.esims_page_size)
    content, pages = page_of(rows, call.query.get("page", 1), size)
    return Answer({"esims": content, "pageCount": pages, "rows": len(rows), "pageSize": size})


def _row(world: World, esim: Esim) -> dict[str, Any]:
    last = esim.history[-1] if esim.history else None
    row: dict[str, Any] = {
        "iccid": esim.iccid,
        "customerRef": esim.customer_ref,
        "lastAction": last.name if last else "",
        "actionDate": written_seconds(last.date if last else esim.assigned_at),
        "physical": False,
        "assignedDate": written_seconds(esim.assigned_at),
        "state": _state(world, esim),
    }
    if has_number(world, esim):
        row["msisdn"] = esim.number
    return row


def _state(world: World, esim: Esim) -> str:
    return esim.state.capitalize() if world.switches.state_words == "capital" else esim.state


def _filter(column: str | None, wanted: str | None) -> Callable[[dict[str, Any]], bool]:
    if column is None or wanted is None:
        raise bad("filterBy and filter must be sent together")
    name, colon, value = wanted.partition(":")
    if column in ("actionDate", "assignedDate"):
        if not colon or name not in COMPARISONS:
            raise bad(f"a time filter supports {', '.join(COMPARISONS)}: gte:2026-03-01T00:00:00Z")
        try:
            moment = read_instant(value)
        except ValueError as error:
            raise bad(f"filter: {error}") from error
        return lambda row: COMPARISONS[name](datetime.fromisoformat(row[column]), moment)
    if colon and name == "eq":
        return lambda row: bool(row[column] == value)
    return lambda row: wanted.casefold() in row[column].casefold()


def update_esim(call: Call) -> Answer:
    """PUT /esims."""
    body = call.body or {}
    found: dict[str, str] = {}
    for name in ("iccid", "customerRef"):
        values = {source[name] for source in (call.query, body) if name in source}
        if len(values) > 1:
            raise bad(f"{name} differs between the query and the body")
        if not values:
            raise bad(f"{name} is missing; send it in the query, in the body, or in both")
        found[name] = values.pop()
    esim = find_esim(call.world, found["iccid"])
    esim.customer_ref = found["customerRef"]
    note(esim, "eSIM Updated", "", call.at)
    return Answer({"status": "success"})


def get_esim(call: Call) -> Answer:
    """GET /esims/{iccid}."""
    esim = call.esim()
    content: dict[str, Any] = {
        "iccid": esim.iccid,
        "pin": esim.pin,
        "puk": esim.puk,
        "matchingId": esim.matching_id,
        "smdpAddress": smdp_address_of(call.world, esim),
        "profileStatus": esim.profile_status,
        "customerRef": esim.customer_ref,
        "brandingId": esim.branding,
        "profileName": esim.profile,
        "state": _state(call.world, esim),
    }
    if esim.first_installed is not None:
        content["firstInstalledDateTime"] = int(esim.first_installed.timestamp() * 1000)
    elif (never := call.world.switches.never_installed) != "absent":
        content["firstInstalledDateTime"] = 0 if never == "zero" else None
    if has_number(call.world, esim):
        content["msisdn"] = esim.number
    if "additionalFields" in call.query:
        content |= install_urls(esim)
    return Answer(content)


def install_urls(esim: Esim) -> dict[str, str]:
    """Return the links that install an eSIM on a phone."""
    card = f"esim_qrcode_provisioning?carddata={activation_code(esim)}"
    return {
        "appleInstallUrl": f"https://esimsetup.apple.com/{card}",
        "androidInstallUrl": f"https://esimsetup.android.com/{card}",
    }


def delete_esim(call: Call) -> Answer:
    """DELETE /esims/{iccid}."""
    esim = call.esim()
    if esim.state == "deactivated":
        raise bad("eSIM has been deactivated already")
    lifecycle.deactivate(call.world, esim, "revoked", call.at)
    if call.world.switches.deleted_esims == "removed":
        for key in esim.assignments:
            call.world.assignments.remove(key)
        call.world.esims.remove(esim.iccid)
    return Answer({"status": "eSIM deleted successfully"})


def get_history(call: Call) -> Answer:
    """GET /esims/{iccid}/history."""
    entries = call.esim().history
    if call.world.switches.history_order == "newest":
        entries = entries[::-1]
    return Answer(
        [
            {
                "name": entry.name,
                call.world.switches.history_key: entry.bundle,
                "date": written(entry.date),
                **({"alertType": entry.alert} if entry.alert else {}),
            }
            for entry in entries
        ]
    )


def refresh_esim(call: Call) -> Answer:
    """GET /esims/{iccid}/refresh."""
    esim = living(call)
    note(esim, "eSIM Refreshed", "", call.at)
    return Answer({"status": "Successfully refreshed SIM"})


def living(call: Call) -> Esim:
    """Return the eSIM of the path; raise Refusal if it is deactivated."""
    esim = call.esim()
    if esim.state == "deactivated":
        raise bad("eSIM has been deactivated")
    return esim


def check_compatibility(call: Call) -> Answer:
    """GET /esims/{iccid}/compatible/{bundle}."""
    esim = call.esim()
    bundle = call.world.catalogue.get(call.path["bundle"])
    if bundle is None:
        raise bad(f"bundle {call.path['bundle']!r} is not in the catalogue")
    return Answer({"compatible": esim.state != "deactivated" and fits(esim, bundle)})


def send_sms(call: Call) -> Answer:
    """POST /esims/{iccid}/sms."""
    esim = living(call)
    if call.body.get("from", SENDER) != SENDER:
        raise Refusal(403, f"the only sender name available is {SENDER}")
    if esim.state == "suspended":
        callbacks.sms_failed(call.world, esim, call.at)
        return Answer({"status": "failed"})
    return Answer({"status": "sent"})


def set_suspended(call: Call) -> Answer:
    """POST /esims/{iccid}/suspend."""
    esim, suspend = living(call), call.body["suspend"]
    if suspend == (esim.state == "suspended"):
        raise bad(f"eSIM is {'already' if suspend else 'not'} suspended")
    if not suspend and esim.policy_suspended:
        raise Refusal(403, "eSIM is suspended by policy; only support can lift that")
    esim.state = "suspended" if suspend else "active"
    if not suspend:
        lifecycle.start_if_attached(call.world, esim, call.at)
    return Answer(
        {"status": f"eSIM {'suspended' if suspend else 'unsuspended'} successfully"}, status=201
    )


def get_suspended(call: Call) -> Answer:
    """GET /esims/{iccid}/suspend."""
    return Answer({"suspended": call.esim().state == "suspended"})


def get_location(call: Call) -> Answer:
    """GET /esims/{iccid}/location: empty strings until the eSIM has attached to a network."""
    esim = call.esim()
    countries, _ = read_places()
    if esim.country is None or esim.last_seen is None:
        names = ("mobileNetworkCode", "networkName", "networkBrandName", "country")
        return Answer(dict.fromkeys(names, ""))
    content = {"country": esim.country, "lastSeen": written(esim.last_seen)}
    if (country := countries.get(esim.country)) is not None:
        network = networks_of(country)[0]
        content |= {
            "mobileNetworkCode": network.tadig,
            "networkName": network.name,
            "networkBrandName": network.brand,
        }
    return Answer(content)
