"""Switches for behavior that the provider's documentation leaves open or contradicts."""

import contextlib
import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, cast

# Costs by operation id; the default of every operation not named is one token.
DEFAULT_COSTS: Mapping[str, int] = {
    "listCatalogue": 5,
    "listPrices": 5,
    "listNetworks": 5,
    "createOrder": 2,
    "applyBundle": 2,
    "getAssignments": 2,
}


class SwitchError(ValueError):
    """An unknown switch or an invalid value; the text lists the valid ones."""


def switch(
    default: Any, about: str, *, choices: tuple[Any, ...] | None = None, least: int | None = None
) -> Any:
    """Return a field of Switches, with its description for the README and the admin API."""
    about_it = {"about": about, "choices": choices, "least": least}
    return field(default_factory=lambda: copy(default), metadata=about_it)


@dataclass
class Switches:
    """All switches; `change` validates and sets one while the sandbox runs."""

    tokens_per_second: int = switch(
        10, "Rate limit per address, in tokens per second; 0 disables it.", least=0
    )
    token_costs: dict[str, int] = switch(  # noqa: RUF009 - it makes a field, with a copy
        DEFAULT_COSTS, "Tokens by operation id (JSON object); other operations cost 1."
    )
    bad_key_on_orders: int = switch(
        401,
        "Response of POST /orders to an invalid key; every other path returns 403.",
        choices=(401, 403),
    )
    unknown_route: int = switch(404, "Response to an unknown path.", choices=(404, 403))
    unknown_iccid: int = switch(
        403,
        "Response to an ICCID of another organisation: 403 is strict, 400 lenient.",
        choices=(403, 400),
    )
    order_errors: str = switch(
        "json",
        "Format of the 400, 401 and 503 responses of POST /orders.",
        choices=("json", "text"),
    )
    catalogue_shape: str = switch(
        "object",
        "GET /catalogue: an object with page counts, or a bare array.",
        choices=("object", "array"),
    )
    catalogue_page_size: int = switch(50, "Default bundles per page.", least=1)
    catalogue_page_most: int = switch(1000, "Silent maximum of perPage on GET /catalogue.", least=1)
    orders_shape: str = switch(
        "array",
        "GET /orders: a bare array, or an object with page counts.",
        choices=("array", "object"),
    )
    orders_page_size: int = switch(10, "Default orders per page.", least=1)
    orders_page_most: int = switch(200, "Silent maximum of limit on GET /orders.", least=1)
    esims_page_size: int = switch(25, "Default eSIMs per page.", choices=(10, 25, 50, 100))
    assignments_shape: str = switch(
        "array",
        "JSON of GET /esims/assignments for several eSIMs: all, or only the first.",
        choices=("array", "object"),
    )
    assignments_address: str = switch(
        "smdpAddress",
        "Key of the SM-DP+ address in that response; rspUrl is the older name.",
        choices=("smdpAddress", "rspUrl"),
    )
    smdp_scheme: bool = switch(False, "Prefix the SM-DP+ address with http://.")
    csv_form: str = switch(
        "plain",
        "CSV of install details: unquoted with Reference, or quoted without it.",
        choices=("plain", "quoted"),
    )
    unlimited_data_amount: int = switch(
        -1, "dataAmount of unlimited bundles in the catalogue, in MB.", least=-1
    )
    unlimited_quantity: int = switch(
        50_000_000_000,
        "Initial bytes of assignments of unlimited bundles; they count down and stay at 0. With"
        " -1 they are always -1.",
        least=-1,
    )
    allowance_unit: str = switch(
        "BYTES", "Unit of data allowances on assignments.", choices=("BYTES", "MB")
    )
    validate_checks_balance: bool = switch(
        False, "Refuse an order of type validate if the balance is too low."
    )
    low_balance_status: int = switch(
        400, "Response to an order that exceeds the balance.", choices=(400, 402, 403, 503)
    )
    no_inventory_status: int = switch(
        403, "Response if no bundle of that name is left in the inventory.", choices=(403, 400)
    )
    unassigned_arrays: str = switch(
        "empty", "esims and iccids of an order without eSIMs.", choices=("empty", "absent")
    )
    async_above: int = switch(
        5, "Orders of more bundles than this are processed asynchronously; with 0 all are.", least=0
    )
    async_seconds: int = switch(2, "How long asynchronous processing takes, in seconds.", least=0)
    async_status: str = switch("processing", "Status of the order until it is completed.")
    processing_seconds: int = switch(
        0, "How long a bundle stays in processing after its assignment, in seconds.", least=0
    )
    installs_wait: bool = switch(
        False, "Install details return 503 while the bundle of the eSIM is processing."
    )
    next_bundle: str = switch(
        "oldest", "Which queued bundle starts next.", choices=("oldest", "newest")
    )
    active_bundles: str = switch(
        "one",
        "Concurrently active bundles: one, or one per visited country.",
        choices=("one", "per-country"),
    )
    queued_starts: str = switch(
        "first-use",
        "Start of a queued bundle: at its first data, or as soon as the eSIM has attached.",
        choices=("first-use", "attached"),
    )
    autostart_starts: str = switch(
        "assignment", "Start of an autostart bundle.", choices=("assignment", "first-use")
    )
    revoke_by_name: str = switch(
        "newest",
        "Assignment that is revoked when a bundle name is given.",
        choices=("newest", "oldest"),
    )
    refunds: bool = switch(False, "Enable refunds for the organisation.")
    refund_days: int = switch(
        60, "Days after the purchase during which refunds are possible.", least=0
    )
    deleted_esims: str = switch(
        "removed",
        "State of an eSIM after DELETE: unknown, or readable as deactivated.",
        choices=("removed", "deactivated"),
    )
    history_order: str = switch(
        "newest", "Order of the events in an eSIM's history.", choices=("newest", "oldest")
    )
    history_key: str = switch(
        "bundleName", "Key of the bundle in an eSIM's history.", choices=("bundleName", "bundle")
    )
    bundle_status: str = switch(
        "latest",
        "GET /esims/{iccid}/bundles/{name}: the latest assignment or all of them.",
        choices=("latest", "all"),
    )
    state_words: str = switch(
        "lower", "Spelling of the state of eSIMs: active, or Active.", choices=("lower", "capital")
    )
    never_installed: str = switch(
        "absent",
        "firstInstalledDateTime of an eSIM that was never installed.",
        choices=("absent", "zero", "null"),
    )
    consumption_billing: bool = switch(
        False, "Enable consumption billing: GET /catalogue/prices works."
    )
    low_balance_threshold: int = switch(
        100, "Balance below which LowBalance callbacks are sent.", least=0
    )
    callback_version: str = switch(
        "V3", "Version of callbacks; V2 is unsigned and shorter.", choices=("V2", "V3")
    )
    callback_signature: str = switch(
        "base64", "Encoding of the V3 signature.", choices=("base64", "hex")
    )
    callback_timeout: int = switch(5, "Timeout of a callback's receiver, in seconds.", least=1)
    callback_retries: int = switch(
        0, "Number of immediate retries if the receiver doesn't return 2xx.", least=0
    )
    callback_copies: int = switch(
        1, "Number of times that each callback is sent; 2 makes duplicates.", least=1
    )
    callback_iccid: str = switch(
        "text",
        "ICCIDs in callbacks; one guide shows numbers, which lose digits when parsed.",
        choices=("text", "number"),
    )
    platform_events: bool = switch(
        False,
        "Also send order.completed, esim.assigned, esim.activated, bundle.activated, bundle.expired.",
    )
    profile_status_type: str = switch(
        "none",
        "alertType of Profile Status Change callbacks, which is not documented; none sends no"
        " such callback, untyped sends it without alertType.",
    )

    def change(self, name: str, value: object) -> None:
        """Set one switch from JSON or from a command line's text; raise SwitchError."""
        known = {item.name: item for item in fields(self)}
        if name not in known:
            raise SwitchError(
                f"unknown switch {name!r}; the switches are {', '.join(sorted(known))}"
            )
        setattr(self, name, _checked(name, value, getattr(self, name), known[name].metadata))

    def change_all(self, values: Mapping[str, object]) -> None:
        """Set several switches, or none if one is invalid; raise SwitchError."""
        trial = copy(self)
        for name, value in values.items():
            trial.change(name, value)
        for name in values:
            setattr(self, name, getattr(trial, name))

    def to_json(self) -> dict[str, Any]:
        """Return every switch with its current value."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def _checked(name: str, value: object, present: object, about: Mapping[str, Any]) -> object:
    converted: object
    if isinstance(present, bool):
        converted = _boolean(name, value)
    elif isinstance(present, int):
        converted = _whole(name, value)
    elif isinstance(present, dict):
        converted = _costs(name, value)
    elif isinstance(value, str):
        converted = value
    else:
        raise SwitchError(f"switch {name} must be text")
    if (choices := about["choices"]) and converted not in choices:
        raise SwitchError(f"switch {name} must be one of {', '.join(map(str, choices))}")
    if about["least"] is not None and cast("int", converted) < about["least"]:
        raise SwitchError(f"switch {name} must be a number of at least {about['least']}")
    return converted


def _boolean(name: str, value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise SwitchError(f"switch {name} must be true or false")


def _whole(name: str, value: object) -> int:
    try:
        number = Decimal(str(value))
        if not isinstance(value, bool) and number == number.to_integral_value():
            return int(number)
    except (InvalidOperation, OverflowError):
        pass
    raise SwitchError(f"switch {name} must be an integer")


def _costs(name: str, value: object) -> dict[str, int]:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping) and all(
        isinstance(cost, int) and not isinstance(cost, bool) and cost >= 0
        for cost in value.values()
    ):
        return {str(key): cost for key, cost in value.items()}
    raise SwitchError(f"switch {name} must be an object of integers of at least 0, by operation id")
