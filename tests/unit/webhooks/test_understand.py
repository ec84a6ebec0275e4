"""How each callback is parsed: every type, both versions, and all examples."""

import json
from typing import Any

import pytest

from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from tests.fixtures.examples import Examples, each_set
from tests.unit.webhooks.callbacks import (
    END,
    ENDS,
    ICCID,
    START,
    STARTED,
    USE,
    USE_UNLIMITED,
    USE_V3,
    V2,
    V3,
    callback,
    change,
    dollars,
    platform_event,
)
from webhooks.callback import Owner
from webhooks.understand import KNOWN, understand

ESIM_EVENTS = [
    (callback("Utilisation", bundle=V2), USE),
    (callback("Utilisation", bundle=V3), USE_V3),
    (
        callback("Utilisation", bundle=V3 | {"unlimited": True, "remainingQuantity": -1}),
        USE_UNLIMITED,
    ),
    (callback("FirstUse", bundle=V2), USE),
    (callback("FirstUse", bundle=V2, profileStatus="Installed"), USE),
    (callback("FirstAttachment"), esims_pb.Activated()),
    (
        callback("CountryChange", country={"code": "FR", "name": "France"}),
        esims_pb.CountrySeen(code="FR", name="France"),
    ),
    (
        json.dumps({"event": "esim.deletion_scheduled", "date": START, "iccid": ICCID}).encode(),
        esims_pb.DeletionScheduled(announced_date=STARTED),
    ),
    (
        json.dumps({"event": "esim.deleted", "date": START, "iccid": ICCID}).encode(),
        esims_pb.Deleted(),
    ),
    (callback("MSISDNEnabled", msisdn="4477"), esims_pb.NumberEnabled(msisdn="4477")),
    (callback("MSISDNDisabled", msisdn="4477"), esims_pb.NumberDisabled(msisdn="4477")),
    (callback("SMSFailed", timestamp=START), esims_pb.MessageFailed(date=STARTED)),
    (
        callback("Nobody Knows", profileStatus="Installed"),
        esims_pb.ProfileChanged(profile_status="Installed"),
    ),
    (
        json.dumps({"iccid": ICCID, "profileStatus": "Released", "date": START}).encode(),
        esims_pb.ProfileChanged(profile_status="Released", date=STARTED),
    ),
    (
        platform_event("esim.assigned", qr_code="LPA:1$a.example$B", assigned_date=START),
        esims_pb.CodeAssigned(activation_code="LPA:1$a.example$B", date=STARTED),
    ),
    (platform_event("esim.activated", activated_date=START), esims_pb.Activated(date=STARTED)),
    (
        platform_event("bundle.activated", bundle_name="b", start_date=START, end_date=END),
        esims_pb.BundleActivated(name="b", start_date=STARTED, end_date=ENDS),
    ),
    (platform_event("bundle.expired", bundle_name="b"), esims_pb.BundleExpired(name="b")),
]


@pytest.mark.parametrize(("body", "expected"), ESIM_EVENTS)
def test_every_callback_about_an_esim_is_parsed(body: bytes, expected: object) -> None:
    understood = understand(body)
    assert (understood.owner, understood.iccid) == (Owner.ESIMS, ICCID)
    assert change(understood.event) == expected


@pytest.mark.parametrize("kind", ["Topup", "AutoTopup", "eSIMGoTopup"])
def test_top_ups_preserve_exact_amounts(kind: str) -> None:
    body = b'{"alertType":"%s","bundle":{"oldAmount":98.5,"newAmount":1098.123}}' % kind.encode()
    understood = understand(body)
    assert understood.owner is Owner.ORDERS
    assert change(understood.event) == orders_pb.BalanceChanged(
        kind=kind, old_balance=dollars("98.5"), new_balance=dollars("1098.123")
    )


def test_balances_are_parsed_without_float_noise() -> None:
    body = (
        b'{"alertType":"Topup","bundle":'
        b'{"oldAmount":3.1500000000000004,"newAmount":1003.1499999999999}}'
    )
    expected = orders_pb.BalanceChanged(
        kind="Topup", old_balance=dollars("3.15"), new_balance=dollars("1003.15")
    )
    assert change(understand(body).event) == expected


def test_an_amount_may_be_written_as_text() -> None:
    body = {"alertType": "Topup", "bundle": {"oldAmount": "98.5", "newAmount": " 1098.123 "}}
    assert change(understand(json.dumps(body).encode()).event) == orders_pb.BalanceChanged(
        kind="Topup", old_balance=dollars("98.5"), new_balance=dollars("1098.123")
    )


@pytest.mark.parametrize("odd", [None, "", "none", [], 10**13, True])
def test_a_balance_is_parsed_without_what_it_is_compared_with(odd: Any) -> None:
    low = {"alertType": "LowBalance", "balanceInfo": {"balance": -5, "threshold": odd}}
    assert change(understand(json.dumps(low).encode()).event) == orders_pb.BalanceLow(
        kind="LowBalance", balance=dollars("-5")
    )
    topped_up = {"alertType": "Topup", "bundle": {"oldAmount": odd, "newAmount": 9}}
    assert change(understand(json.dumps(topped_up).encode()).event) == orders_pb.BalanceChanged(
        kind="Topup", new_balance=dollars("9")
    )


@pytest.mark.parametrize("kind", ["LowBalance", "InsufficientBalance"])
def test_a_low_balance_is_parsed(kind: str) -> None:
    info = {"balance": 74.1, "threshold": 100, "thresholdPercentRemaining": 74.1}
    understood = understand(json.dumps({"alertType": kind, "balanceInfo": info}).encode())
    assert change(understood.event) == orders_pb.BalanceLow(
        kind=kind, balance=dollars("74.1"), threshold=dollars("100")
    )


def test_a_completed_order_lists_its_esims() -> None:
    esims = [{"iccid": ICCID, "customer_ref": "me", "qr_code": "LPA:1$a$b", "status": "ASSIGNED"}]
    data = {"order_reference": "ref", "esims": esims}
    understood = understand(json.dumps({"event": "order.completed", "data": data}).encode())
    assert understood.owner is Owner.ORDERS
    assert change(understood.event) == orders_pb.OrderDelivered(
        reference="ref",
        esims=[orders_pb.DeliveredProfile(iccid=ICCID, activation_code="LPA:1$a$b")],
    )


def test_these_examples_cover_every_type() -> None:
    bodies = [body for body, _ in ESIM_EVENTS]
    own_tests = {"Topup", "AutoTopup", "eSIMGoTopup", "LowBalance", "InsufficientBalance"}
    assert {understand(b).type for b in bodies} | own_tests | {"order.completed"} >= KNOWN


@pytest.mark.parametrize(
    ("unit", "initial", "remaining"),
    [
        ("bytes", 3_000_000_000, 1_500_000_000),
        ("BYTES", 3_000_000_000, 1_500_000_000),
        ("", 3_000_000_000, 1_500_000_000),
        (None, 3_000_000_000, 1_500_000_000),
        (" kB ", 3_000_000, 1_500_000),
        ("MB", 3000, 1500),
        ("GB", 3, 1.5),
        ("GB", "3", "1.5"),
    ],
)
def test_a_quantity_is_parsed_in_its_unit(unit: Any, initial: Any, remaining: Any) -> None:
    bundle = V2 | {"unit": unit, "initialQuantity": initial, "remainingQuantity": remaining}
    assert change(understand(callback("Utilisation", bundle=bundle)).event) == USE


def test_an_unknown_type_keeps_its_name() -> None:
    understood = understand(callback("Brand New"))
    assert (understood.type, understood.owner) == ("Brand New", None)


def test_secrets_are_absent_from_the_repr() -> None:
    understood = understand(platform_event("esim.assigned", qr_code="LPA:1$a.example$SECRET"))
    assert "SECRET" not in repr(understood)


@each_set
def test_every_example_is_parsed(examples: Examples) -> None:
    callbacks = examples.callbacks()
    assert callbacks
    for kind, body in callbacks.items():
        understood = understand(body)
        assert understood.owner is not None, (kind, understood.problem)
        assert change(understood.event) != esims_pb.Unclear(), kind
        assert understood.type in KNOWN
