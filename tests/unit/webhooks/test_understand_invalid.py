"""What invalid and implausible callbacks are parsed to: an event that queries the provider, or none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from tests.unit.webhooks.callbacks import (
    ACTIVATED,
    ICCID,
    START,
    STARTED,
    UNCLEAR,
    UNDATED_USE,
    USE,
    V2,
    V3,
    callback,
    change,
    dollars,
    platform_event,
)
from webhooks.callback import Owner
from webhooks.understand import KNOWN, PROFILE, understand


@pytest.mark.parametrize(
    "field", ["iccid", "alertType", "timestamp", "bundle", "profileStatus", "other"]
)
@pytest.mark.parametrize("number", ["1" * 5_000, "0." + "1" * 5_000, "1e" + "1" * 5_000])
def test_a_number_of_5000_digits_does_not_affect_the_rest(field: str, number: str) -> None:
    body = {"iccid": ICCID, "alertType": "FirstAttachment", "timestamp": START}
    text = json.dumps(body | {field: "HERE"}).replace('"HERE"', number)
    understood = understand(text.encode())
    if field == "other":
        assert (understood.owner, understood.iccid) == (Owner.ESIMS, ICCID)


def test_an_iccid_as_a_number_keeps_every_digit() -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":8944501234567890123}')
    assert understood.event == ACTIVATED


def test_an_iccid_that_a_float_may_have_rounded_queries_the_provider() -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":8944501234567890100}')
    assert change(understood.event) == esims_pb.Unclear()


@pytest.mark.parametrize(
    "iccid",
    [
        b'"8944501234567890123F"',
        b'"8944501234567890123f"',
        b'"8944501234567890123ff"',
        b'" 8944 5012 3456 7890 123 F"',
        b'"8944-5012-3456-7890-123"',
        b'"8944\\u00a05012\\u20133456\\u200b7890123\\n"',
        b"8944501234567890123",
        b"8944501234567890123.0",
        b"8.944501234567890123e18",
    ],
)
def test_an_iccid_is_recognized_however_it_is_written(iccid: bytes) -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":%s}' % iccid)
    assert understood.event == ACTIVATED


def test_an_iccid_of_twenty_digits_keeps_its_last_digit() -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":"89445012345678901230"}')
    assert understood.iccid == "89445012345678901230"


@pytest.mark.parametrize("iccid", [b"8.944501234567890e18", b"8.9445012345678e18"])
def test_a_number_that_a_float_has_rounded_queries_the_provider(iccid: bytes) -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":%s}' % iccid)
    assert change(understood.event) == esims_pb.Unclear()


@pytest.mark.parametrize(
    "iccid",
    [
        *(b"true", b"1e400", b"1e-5", b"-8944501234567890123", b"8944501234567890123.5"),
        *(b'"FFFF"', b'"F8944501234567890123"', b'"8944F501234567890123"', b'"%s"' % (b"8 " * 40)),
    ],
)
def test_an_invalid_iccid_is_absent(iccid: bytes) -> None:
    understood = understand(b'{"alertType":"FirstAttachment","iccid":%s}' % iccid)
    assert (understood.owner, understood.type) == (None, "FirstAttachment")
    assert "ICCID" in understood.problem


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        {},
        [],
        {"name": "b"},
        V2 | {"name": ""},
        V2 | {"remainingQuantity": -1},
        V2 | {"remainingQuantity": None},
        V2 | {"remainingQuantity": 0.5},
        V2 | {"remainingQuantity": 1e30},
        V2 | {"remainingQuantity": 10**30},
        V2 | {"remainingQuantity": "none"},
        V2 | {"remainingQuantity": "-0"},
        V2 | {"remainingQuantity": True},
        V2 | {"remainingQuantity": 3_000_000_001},
        V3 | {"remainingQuantity": 0, "unit": "minutes"},
        V3 | {"remainingQuantity": 0, "unit": "MINS"},
        V3 | {"remainingQuantity": 0, "unit": "SMS"},
        V3 | {"remainingQuantity": 0, "unit": "seconds", "unlimited": True},
        V2 | {"remainingQuantity": 0, "unit": "furlongs"},
        V2 | {"remainingQuantity": 0, "unit": 5},
        V2 | {"remainingQuantity": 0, "unit": ["bytes"]},
    ],
)
def test_an_incomplete_usage_report_queries_the_provider(bundle: object) -> None:
    understood = understand(callback("Utilisation", bundle=bundle))
    assert understood.event == UNCLEAR


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b"NaN",
        b'{"alertType":5}',
        b'{"event":"' + b"x" * 81 + b'"}',
        b'{"iccid":' + b"9" * 5_000 + b"}",
    ],
)
def test_an_unparseable_body_is_unknown(body: bytes) -> None:
    understood = understand(body)
    assert (understood.type, understood.owner) == ("unknown", None)
    assert understood.problem


UNBELIEVABLE = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "1970-01-01T00:00:00Z",
    "2099-01-01T00:00:00Z",
    "   ",
    "soon",
    0,
    -1,
    10**30,
    1e308,
    True,
    None,
    {},
]


@pytest.mark.parametrize("date", UNBELIEVABLE)
def test_an_implausible_time_is_unknown_in_every_callback(date: Any) -> None:
    times = {"startTime": date, "endTime": date}
    for body, expected in (
        (callback("Utilisation", bundle=V2 | times), UNDATED_USE),
        (callback("SMSFailed", timestamp=date), esims_pb.MessageFailed()),
        (
            callback("x", profileStatus="Installed", timestamp=date),
            esims_pb.ProfileChanged(profile_status="Installed"),
        ),
        (callback("esim.deletion_scheduled", date=date), esims_pb.DeletionScheduled()),
        (
            platform_event("esim.assigned", qr_code="LPA:1$a.example$B", assigned_date=date),
            esims_pb.CodeAssigned(activation_code="LPA:1$a.example$B"),
        ),
        (platform_event("esim.activated", activated_date=date), esims_pb.Activated()),
        (
            platform_event("bundle.activated", bundle_name="b", start_date=date, end_date=date),
            esims_pb.BundleActivated(name="b"),
        ),
    ):
        assert change(understand(body).event) == expected


@pytest.mark.parametrize("placeholder", [0, "0", "", None, [], -1])
def test_a_placeholder_identifies_no_assignment(placeholder: Any) -> None:
    body = callback("Utilisation", bundle=V2 | {"id": placeholder})
    assert change(understand(body).event) == USE


@pytest.mark.parametrize("amount", [2**63 - 1, "9223372036854775807", 2**53 - 1])
def test_an_amount_that_no_bundle_has_queries_the_provider(amount: Any) -> None:
    amounts = {"initialQuantity": amount, "remainingQuantity": amount}
    assert understand(callback("Utilisation", bundle=V2 | amounts)).event == UNCLEAR
    with_id = understand(callback("Utilisation", bundle=V2 | {"id": 2**63 - 1}))
    assert isinstance(use := change(with_id.event), esims_pb.BundleUse)
    assert use.assignment_id == "9223372036854775807"


def test_the_first_plausible_time_of_a_profile_is_used() -> None:
    times = {"timestamp": "0001-01-01T00:00:00Z", "date": START}
    body = callback("x", profileStatus="Installed", **times)
    assert change(understand(body).event) == esims_pb.ProfileChanged(
        profile_status="Installed", date=STARTED
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
FIELDS = ["iccid", "bundle", "country", "balanceInfo", "data", "date", "msisdn", "profileStatus"]


@given(
    st.sampled_from([*sorted(KNOWN), PROFILE, "x"]), st.dictionaries(st.sampled_from(FIELDS), JSON)
)
def test_no_body_of_a_known_type_raises_an_error(kind: str, fields: dict[str, Any]) -> None:
    word = "event" if "." in kind else "alertType"
    understand(json.dumps({word: kind, **fields}).encode())


@given(st.binary(max_size=200))
def test_no_bytes_raise_an_error(body: bytes) -> None:
    understand(body)


@pytest.mark.parametrize("amount", ["1e999999999", "-1e999999999", "1" + "0" * 5_000, "1e13"])
def test_an_impossible_amount_is_not_a_balance(amount: str) -> None:
    for kind, fields in (
        ("Topup", f'"bundle": {{"oldAmount": 1, "newAmount": {amount}}}'),
        ("LowBalance", f'"balanceInfo": {{"balance": {amount}, "threshold": 1}}'),
    ):
        understood = understand(f'{{"alertType": "{kind}", {fields}}}'.encode())
        assert (understood.type, understood.owner) == (kind, None)
        assert "out of range" in (understood.problem or "")


def test_an_amount_close_to_zero_is_zero() -> None:
    body = b'{"alertType": "Topup", "bundle": {"oldAmount": 1e-999999999, "newAmount": -1e-30}}'
    assert change(understand(body).event) == orders_pb.BalanceChanged(
        kind="Topup", old_balance=dollars("0"), new_balance=dollars("0")
    )


@pytest.mark.parametrize(
    "body",
    [
        callback("CountryChange", country={"code": "F" * 101, "name": "n" * 101}),
        callback("MSISDNEnabled", msisdn="4" * 101),
        callback("MSISDNEnabled", msisdn=None),
        callback("MSISDNEnabled"),
        json.dumps({"iccid": ICCID, "profileStatus": "I" * 101}).encode(),
    ],
)
def test_a_status_that_the_owner_would_refuse_queries_the_provider(body: bytes) -> None:
    assert understand(body).event == UNCLEAR


def test_a_country_with_one_invalid_field_is_identified_by_the_other() -> None:
    body = callback("CountryChange", country={"code": "FR", "name": "n" * 101})
    assert change(understand(body).event) == esims_pb.CountrySeen(code="FR", name="")
