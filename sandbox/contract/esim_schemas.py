"""JSON schemas of eSIMs and their bundles."""

from sandbox.contract.schema import (
    Schema,
    choice,
    flag,
    listing,
    moment,
    number,
    record,
    ref,
    text,
    whole,
)

_STATE = choice("active", "suspended", "deactivated")
_INSTALL = {"appleInstallUrl": text("iOS 17.4 and newer."), "androidInstallUrl": text()}
_APPLIED = {"name": text(), "repeat": whole(minimum=1), "allowReassign": flag()}

SCHEMAS: dict[str, Schema] = {
    "Message": record({"message": text()}, ["message"], "Response to every failed request."),
    "StatusMessage": record({"status": text()}, ["status"]),
    "RevokeBundleResponse": record({"status": text()}),
    "ESIMListItem": record(
        {
            "iccid": text(),
            "customerRef": text(),
            "msisdn": text("Only with voice or SMS."),
            "lastAction": text(),
            "actionDate": text(),
            "physical": flag(),
            "assignedDate": text(),
            "state": _STATE,
        }
    ),
    "ESIMs": record(
        {
            "esims": listing(ref("ESIMListItem")),
            "pageCount": whole(),
            "rows": whole(),
            "pageSize": whole(),
        },
        ["esims"],
    ),
    "UpdateSimDetails": record({"iccid": text(), "customerRef": text()}, ["iccid", "customerRef"]),
    "eSIMDetailsResponse": record(
        {
            "iccid": text(),
            "msisdn": text(),
            "pin": text(),
            "puk": text(),
            "matchingId": text(),
            "smdpAddress": text(),
            "profileStatus": choice(
                "Released", "Downloaded", "Installed", "Unavailable", "Deactivated"
            ),
            "firstInstalledDateTime": whole("Epoch milliseconds.", format="int64", nullable=True),
            "customerRef": text(),
            **_INSTALL,
            "brandingId": text(),
            "profileName": text(),
            "state": _STATE,
        },
        ["iccid", "profileStatus"],
    ),
    "eSIMDetailsInstallResponse": record(
        {
            "iccid": text(),
            "matchingId": text(),
            "smdpAddress": text(),
            "profileStatus": text(),
            "pin": text(),
            "puk": text(),
            "firstInstalledDateTime": moment(),
            **_INSTALL,
            "rspUrl": text("With the switch assignments_address=rspUrl."),
            "bundle": text(),
            "reference": text(),
        },
        ["iccid", "matchingId"],
    ),
    "InstallDetailsList": listing(ref("eSIMDetailsInstallResponse")),
    "ESIMHistoryItem": record(
        {
            "name": text(),
            "bundleName": text(),
            "bundle": text("Not sent by this sandbox."),
            "date": text(),
            "bundleState": text("Not sent by this sandbox."),
            "alertType": text("Set for usage alerts."),
        },
        ["name", "date"],
    ),
    "ESIMHistory": listing(ref("ESIMHistoryItem")),
    "CompatibilityResponse": record({"compatible": flag()}, ["compatible"]),
    "SendSMSRequest": record(
        {
            "message": text(minLength=1, maxLength=160),
            "from": text("Only eSIM is available in this sandbox."),
        },
        ["message"],
    ),
    "LocationResponse": record(
        {
            "mobileNetworkCode": text("TADIG code."),
            "networkName": text(),
            "networkBrandName": text(),
            "country": text(),
            "lastSeen": moment(),
        }
    ),
    "SuspendESIMBody": record({"suspend": flag()}, ["suspend"]),
    "SuspendESIM": record({"suspended": flag()}, ["suspended"]),
    "AssignmentAllowance": record(
        {
            "type": choice("DATA", "VOICE", "SMS"),
            "service": choice("STANDARD", "ROAMING"),
            "description": text(),
            "initialAmount": number(),
            "remainingAmount": number(),
            "unit": choice("BYTES", "MB", "SMS", "MINS"),
            "unlimited": flag(),
        }
    ),
    "Assignment": record(
        {
            "id": text("Also called offerId."),
            "callTypeGroup": text(),
            "initialQuantity": number("Bytes, base 10."),
            "remainingQuantity": number("Bytes, base 10."),
            "assignmentDateTime": moment(),
            "assignmentReference": text(
                "Reference of the order or assignment, a hyphen, and an index."
            ),
            "bundleState": choice(
                "processing", "queued", "active", "depleted", "expired", "revoked", "lapsed"
            ),
            "startTime": moment("Set after the bundle has started."),
            "endTime": moment("Set after the bundle has started."),
            "unlimited": flag(),
            "allowances": listing(ref("AssignmentAllowance")),
        },
        ["id", "bundleState"],
    ),
    "AssignmentResponse": record({"assignments": listing(ref("Assignment"))}, ["assignments"]),
    "BundlesList": record(
        {
            "bundles": listing(
                record(
                    {
                        "name": text(),
                        "description": text(),
                        "assignments": listing(ref("Assignment")),
                    },
                    ["name", "assignments"],
                )
            )
        },
        ["bundles"],
    ),
    "ApplyBundleItem": record(_APPLIED, ["name"]),
    "ApplyBundleWithList": record(
        {"bundles": listing(ref("ApplyBundleItem"), minItems=1)}, ["bundles"]
    ),
    "ApplyBundleWithICCIDRequest": record(
        {"iccid": text("If absent, a new eSIM is issued."), **_APPLIED}, ["name"]
    ),
    "ApplyBundleRequest": record(
        {
            "name": text(),
            "startTime": text("Only for bundles that don't start automatically."),
            "repeat": whole("Number of assignments on this eSIM."),
        },
        ["name"],
    ),
    "ESIMApplyResponse": record(
        {
            "esims": listing(
                record({"iccid": text(), "status": text(), "bundle": text()}, ["iccid"])
            ),
            "applyReference": text(),
        },
        ["esims", "applyReference"],
    ),
}
