"""Contract of the callbacks that the sandbox posts to the receiver."""

from typing import Any

from sandbox.contract.schema import Schema, any_of, choice, flag, moment, number, record, ref, text

# Not a path of the sandbox, but a name for the receiver's URL in the document.
CALLBACK_PATH = "/your-usage-callback-url/"

_USAGE: dict[str, Schema] = {
    "name": text(),
    "initialQuantity": number("Bytes."),
    "remainingQuantity": number("Bytes."),
    "startTime": moment(),
    "endTime": moment(),
    "unlimited": flag(),
}
_USAGE_V3: dict[str, Schema] = {
    **_USAGE,
    "id": text("Assignment id."),
    "reference": text("Assignment reference."),
    "description": text(),
}


def _alert(kinds: tuple[str, ...], more: dict[str, Schema]) -> Schema:
    return record({"alertType": choice(*kinds), **more}, ["alertType", *more])


def _event(kind: str) -> Schema:
    return record(
        {"date": moment(), "event": choice(kind), "iccid": text()}, ["date", "event", "iccid"]
    )


CALLBACKS: dict[str, Schema] = {
    "UsageCallbackV2": _alert(
        ("Utilisation",), {"iccid": text(), "bundle": record(_USAGE, ["name"])}
    ),
    "UsageCallbackV3": _alert(
        ("Utilisation",),
        {
            "iccid": text(),
            "bundle": record(
                {**_USAGE_V3, "unit": text("Not sent by this sandbox.")}, ["id", "name"]
            ),
        },
    ),
    "CallbackFirstUse": _alert(
        ("FirstUse",), {"iccid": text(), "bundle": record(_USAGE_V3, ["name"])}
    ),
    "CallbackFirstAttachment": _alert(("FirstAttachment",), {"iccid": text()}),
    "CallbackCountryChange": _alert(
        ("CountryChange",),
        {"iccid": text(), "country": record({"code": text(), "name": text()}, ["code"])},
    ),
    "CallbackTopup": _alert(
        ("Topup", "AutoTopup", "eSIMGoTopup"),
        {
            "bundle": record(
                {"oldAmount": number(), "newAmount": number()}, ["oldAmount", "newAmount"]
            )
        },
    ),
    "CallbackBalance": _alert(
        ("LowBalance", "InsufficientBalance"),
        {
            "balanceInfo": record(
                {"balance": number(), "threshold": number(), "thresholdPercentRemaining": number()},
                ["balance", "threshold"],
            )
        },
    ),
    "CallbackESIMDeletionScheduled": _event("esim.deletion_scheduled"),
    "CallbackESIMDeleted": _event("esim.deleted"),
    "CallbackMSISDNEnabled": record(
        {"alertType": choice("MSISDNEnabled"), "iccid": text(), "msisdn": text(), "reason": text()},
        ["alertType", "iccid", "msisdn"],
    ),
    "CallbackMSISDNDisabled": _alert(
        ("MSISDNDisabled",),
        {
            "iccid": text(),
            "msisdn": text(),
            "reason": choice("Bundle expired", "Bundle revoked", "Bundle depleted"),
        },
    ),
    "CallbackSMSFailed": record(
        {
            "iccid": text(),
            "msisdn": text("Not sent by this sandbox."),
            "alertType": choice("SMSFailed"),
            "timestamp": moment(),
        },
        ["iccid", "alertType", "timestamp"],
    ),
    "CallbackProfileStatusChange": record(
        {
            "iccid": text(),
            "profileStatus": choice("Downloaded", "Installed", "Released"),
            "timestamp": moment(),
            "device": record({name: text() for name in ("imei", "eid", "tac", "make", "model")}),
        },
        ["iccid", "profileStatus"],
    ),
}


def callback_path() -> dict[str, Any]:
    """Return the receiver's path item."""
    return {
        "servers": [{"url": "https://receiver.sandbox.example"}],
        "post": {
            "operationId": "receiveCallback",
            "summary": "A callback, posted to the URL set by --callback-url",
            "tags": ["Callback"],
            "security": [],
            "parameters": [
                {
                    "name": "X-Signature-SHA256",
                    "in": "header",
                    "required": False,
                    "description": "V3 only: HMAC-SHA256 of the raw body, keyed with the API key.",
                    "schema": {"type": "string"},
                }
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": any_of(*(ref(name) for name in CALLBACKS))}
                },
            },
            "responses": {"200": {"description": "Received."}},
        },
    }
