"""Handlers for bundles on eSIMs: apply, read, revoke."""

from decimal import Decimal
from typing import Any

from sandbox.api.call import Answer, Call, find_esim
from sandbox.api.esims import living
from sandbox.state.applying import Application, apply
from sandbox.state.clock import read_instant, written, written_seconds
from sandbox.state.lifecycle import of_esim
from sandbox.state.records import Assignment, Order
from sandbox.state.refusal import bad
from sandbox.state.revoking import by_name, revoke
from sandbox.state.world import World

# States that GET bundles omits without includeUsed, and states that it never returns.
USED = ("depleted", "expired")
OFF_THE_ESIM = ("revoked", "lapsed")
# Documented number of assignments that GET bundles returns.
DEFAULT_LIMIT = 15


def apply_bundle(call: Call) -> Answer:
    """POST /esims/apply."""
    if any("iccid" in item for item in call.body.get("bundles", ())):
        raise bad(
            "several bundles always go to new eSIMs; send a single bundle to apply it to an iccid"
        )
    applications = [_application(call, item) for item in call.body.get("bundles", [call.body])]
    return _applied(apply(call.world, applications, call.source_ip, call.at))


def _application(call: Call, item: dict[str, Any]) -> Application:
    iccid = item.get("iccid")
    if iccid is not None:
        find_esim(call.world, iccid)
        if "repeat" in item:
            raise bad("repeat requests new eSIMs and can't be combined with iccid")
    return Application(
        bundle=item["name"],
        iccid=iccid,
        repeat=int(item.get("repeat", 1)),
        reassign=bool(item.get("allowReassign", False)),
    )


def _applied(order: Order) -> Answer:
    esims = [
        {"iccid": iccid, "status": "ACTIVE", "bundle": line.bundle}
        for line in order.lines
        for iccid in line.iccids
    ]
    return Answer({"esims": esims, "applyReference": order.reference})


def apply_to_esim(call: Call) -> Answer:
    """POST /esims/{iccid}/bundles, deprecated: applies the bundle `repeat` times to this eSIM."""
    esim = living(call)
    repeat = int(call.body.get("repeat", 1))
    if repeat < 1:
        raise bad("repeat must be at least 1")
    begins = None
    if start := call.body.get("startTime"):
        bundle = call.world.catalogue.known(call.body["name"])
        if bundle is not None and bundle.autostart:
            raise bad("startTime is only allowed for bundles that don't start automatically")
        try:
            begins = read_instant(start)
        except ValueError as error:
            raise bad(f"startTime: {error}") from error
    application = Application(call.body["name"], esim.iccid, begins_at=begins)
    apply(call.world, [application] * repeat, call.source_ip, call.at)
    return Answer({"status": "Successfully Applied Bundle"})


def list_bundles(call: Call) -> Answer:
    """GET /esims/{iccid}/bundles: the newest assignments, grouped by bundle."""
    hidden = OFF_THE_ESIM if call.query.get("includeUsed", False) else OFF_THE_ESIM + USED
    newest = [
        item for item in reversed(of_esim(call.world, call.esim())) if item.state not in hidden
    ][: call.query.get("limit", DEFAULT_LIMIT)]
    bundles: dict[str, dict[str, Any]] = {}
    for item in newest:
        bundle = bundles.setdefault(
            item.bundle, {"name": item.bundle, "description": item.description, "assignments": []}
        )
        bundle["assignments"].append(assignment_json(call.world, item))
    return Answer({"bundles": list(bundles.values())})


def get_bundle_status(call: Call) -> Answer:
    """GET /esims/{iccid}/bundles/{name}: an array with its latest assignment, or with all."""
    named = [item for item in of_esim(call.world, call.esim()) if item.bundle == call.path["name"]]
    if not named:
        raise bad(f"the eSIM has no bundle {call.path['name']!r}; names are case-sensitive")
    content = named[::-1] if call.world.switches.bundle_status == "all" else named[-1:]
    return Answer({"assignments": [assignment_json(call.world, item) for item in content]})


def assignment_json(world: World, item: Assignment) -> dict[str, Any]:
    """Return an assignment in the provider's format."""
    content: dict[str, Any] = {
        "id": item.id,
        "callTypeGroup": "data",
        "initialQuantity": item.initial,
        "remainingQuantity": item.remaining,
        "assignmentDateTime": written(item.assigned_at),
        "assignmentReference": item.reference,
        "bundleState": item.state,
        "unlimited": item.unlimited,
        "allowances": [
            {
                "type": allowance.type,
                "service": allowance.service,
                "description": allowance.description,
                **_amounts(world, item, allowance.type, allowance.amount, allowance.unit),
                "unlimited": allowance.unlimited,
            }
            for allowance in item.allowances
        ],
    }
    if item.started_at is not None and item.ends_at is not None:
        content["startTime"] = written_seconds(item.started_at)
        content["endTime"] = written_seconds(item.ends_at)
    return content


def _amounts(
    world: World, item: Assignment, kind: str, amount: Decimal, unit: str
) -> dict[str, Any]:
    if kind != "DATA":
        return {"initialAmount": amount, "remainingAmount": amount, "unit": unit}
    if world.switches.allowance_unit == "BYTES" or item.initial < 0:
        initial, remaining = Decimal(item.initial), Decimal(item.remaining)
    else:
        initial, remaining = Decimal(item.initial) / 1_000_000, Decimal(item.remaining) / 1_000_000
    return {
        "initialAmount": initial,
        "remainingAmount": remaining,
        "unit": world.switches.allowance_unit,
    }


def revoke_by_name(call: Call) -> Answer:
    """DELETE /esims/{iccid}/bundles/{name}."""
    offer = call.query.get("offerId")
    if call.query.get("refundToBalance", False) and offer is None:
        raise bad("refundToBalance requires offerId, the id of the assignment")
    return _revoked(call, by_name(call.world, call.esim(), call.path["name"], offer))


def revoke_assignment(call: Call) -> Answer:
    """DELETE of one assignment, on the current and on the deprecated path."""
    esim = call.esim()
    for item in of_esim(call.world, esim):
        if item.id == call.path["assignmentId"] and item.bundle == call.path["name"]:
            return _revoked(call, item)
    raise bad(f"the eSIM has no assignment {call.path['assignmentId']!r} of that bundle")


def _revoked(call: Call, assignment: Assignment) -> Answer:
    dry = call.query.get("type", "transaction") == "validate"
    outcome = revoke(
        call.world,
        assignment,
        call.at,
        to_balance=call.query.get("refundToBalance", False),
        dry=dry,
    )
    return Answer({"status": outcome.text(done=not dry)})
