import json
from collections.abc import Callable

import jsonschema
import pytest

from sandbox.contract.callbacks import CALLBACKS
from sandbox.sender import signature
from sandbox.state import device
from tests.unit.sandbox.conftest import BUNDLE, Bench

Make = Callable[..., Bench]


def test_the_signature_of_the_published_vector_is_reproduced() -> None:
    body = b'{"alertType":"FirstAttachment","iccid":"8943108169900000016"}'
    assert signature("example-api-key", body, "hex") == (
        "57593658f27d9be5134f0029d75d9b1638d29857e8ab37053f2bd93482daacc2"
    )
    assert signature("example-api-key", body, "base64") == (
        "V1k2WPJ9m+UTTwAp112bFjjSmFfoqzcFPyvZNILarMI="
    )


def test_callbacks_of_a_first_day_are_sent_in_order(bench: Bench) -> None:
    esim = bench.esim()
    device.use_data(bench.world, esim, 850_000_000, "GB", bench.now)
    assert bench.event_types(esim) == [
        "FirstAttachment",
        "CountryChange",
        "FirstUse",
        "Utilisation",
        "Utilisation",
        "Utilisation",
    ]


def test_each_threshold_is_reported_once_with_the_remaining_data(bench: Bench) -> None:
    esim = bench.esim()
    for _ in range(20):
        device.use_data(bench.world, esim, 50_000_000, None, bench.now)
    left = [
        json.loads(item.body)["bundle"]["remainingQuantity"]
        for item in bench.callbacks(esim)
        if item.type == "Utilisation"
    ]
    assert left == [990_000_000, 500_000_000, 200_000_000, 0]
    alerts = [entry.alert for entry in esim.history if entry.alert]
    assert alerts == ["1% Used", "50% Used", "80% Used", "100% Used"]


@pytest.mark.parametrize(("version", "extra"), [("V2", False), ("V3", True)])
def test_the_callback_version_decides_the_fields(
    make_bench: Make, version: str, extra: bool
) -> None:
    bench = make_bench(callback_version=version)
    esim = bench.esim()
    device.use_data(bench.world, esim, 10_000_000, None, bench.now)
    bundle = json.loads(bench.callbacks(esim)[-1].body)["bundle"]
    assert ("reference" in bundle, "id" in bundle) == (extra, extra)
    assert bundle["startTime"] == "2026-03-01T12:00:00Z"


def test_a_country_is_reported_again_only_after_a_day(bench: Bench) -> None:
    esim = bench.esim()
    for iso in ("GB", "FR", "GB"):
        device.attach(bench.world, esim, iso, bench.now)
    assert bench.event_types(esim).count("CountryChange") == 2
    bench.later(days=1)
    device.attach(bench.world, esim, "GB", bench.now)
    assert bench.event_types(esim).count("CountryChange") == 3


@pytest.mark.parametrize(
    ("kind", "named"), [("untyped", None), ("ProfileStatusChange", "ProfileStatusChange")]
)
def test_profile_status_changes_are_reported_if_enabled(
    make_bench: Make, kind: str, named: str | None
) -> None:
    bench = make_bench(profile_status_type=kind)
    esim = bench.esim()
    device.install(bench.world, esim, bench.now)
    device.install(bench.world, esim, bench.now)
    device.remove(bench.world, esim, bench.now)
    bodies = [json.loads(item.body) for item in bench.callbacks(esim)]
    assert [body["profileStatus"] for body in bodies] == ["Downloaded", "Installed", "Released"]
    assert {body.get("alertType") for body in bodies} == {named}
    assert "imei" in bodies[1]["device"]
    assert list(bodies[2]["device"]) == ["eid"]


def test_repeated_callbacks_have_equal_bodies(make_bench: Make) -> None:
    bench = make_bench(callback_copies=2)
    esim = bench.esim()
    device.attach(bench.world, esim, None, bench.now)
    first, second = bench.callbacks(esim)[:2]
    assert first.body == second.body


def test_platform_events_follow_a_purchase_and_a_bundle_s_life(make_bench: Make) -> None:
    bench = make_bench(platform_events=True)
    esim = bench.esim()
    device.use_data(bench.world, esim, 1, None, bench.now)
    bench.later(days=7)
    events = [json.loads(item.body) for item in bench.callbacks() if "data" in item.body]
    shown = {event["event"]: event["data"] for event in events if "data" in event}
    assert list(shown) == [
        "order.completed",
        "esim.assigned",
        "esim.activated",
        "bundle.activated",
        "bundle.expired",
    ]
    [assigned] = shown["order.completed"]["esims"]
    assert assigned["qr_code"] == f"LPA:1${esim.smdp_host}${esim.matching_id}"
    assert shown["bundle.activated"] == {
        "iccid": esim.iccid,
        "bundle_name": BUNDLE,
        "start_date": "2026-03-01T12:00:00Z",
        "end_date": "2026-03-08T12:00:00Z",
    }


def test_every_callback_matches_a_schema_of_the_document(make_bench: Make) -> None:
    bench = make_bench(balance=3, profile_status_type="ProfileStatusChange")
    esim = bench.esim()
    device.use_data(bench.world, esim, 1_000_000_000, None, bench.now)
    bench.later(days=300)
    assert len(set(bench.event_types())) == 8
    for item in bench.callbacks():
        body = json.loads(item.body)
        fitting = [
            name
            for name, schema in CALLBACKS.items()
            if jsonschema.Draft4Validator(schema).is_valid(body)
        ]
        assert fitting, body
