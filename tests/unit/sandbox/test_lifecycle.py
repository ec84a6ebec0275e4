from collections.abc import Callable

from sandbox.state import device
from tests.unit.sandbox.conftest import BUNDLE, START, Bench

DAY_BUNDLE = "esim_1GB_1D_GB_V3"  # starts automatically
VOICE_BUNDLE = "esim_5GB_30D_GB_V3"
UNLIMITED = "esim_UL_7D_GB_V2"
EUROPE = "esim_1GB_7D_REUP_V2"

Make = Callable[..., Bench]


def add(bench: Bench, iccid: str, bundle: str = BUNDLE) -> None:
    bench.order({"type": "bundle", "quantity": 1, "item": bundle, "iccids": [iccid]})


def test_a_bundle_waits_in_the_queue_until_its_first_data(bench: Bench) -> None:
    esim = bench.esim()
    assert bench.assignment(esim).state == "queued"
    bench.later(days=20)
    assert bench.assignment(esim).state == "queued"
    device.use_data(bench.world, esim, 1, None, bench.now)
    assignment = bench.assignment(esim)
    assert assignment.state == "active"
    assert assignment.started_at is not None
    assert assignment.ends_at is not None
    assert (assignment.ends_at - assignment.started_at).days == 7


def test_a_bundle_is_processing_first_if_the_switch_is_on(make_bench: Make) -> None:
    bench = make_bench(processing_seconds=600)
    esim = bench.esim()
    bench.later(seconds=599)
    assert bench.assignment(esim).state == "processing"
    bench.later(seconds=1)
    assert bench.assignment(esim).state == "queued"


def test_a_processing_bundle_serves_no_data(make_bench: Make) -> None:
    bench = make_bench(processing_seconds=600)
    esim = bench.esim()
    assert device.use_data(bench.world, esim, 1000, None, bench.now) == []


def test_an_autostart_bundle_starts_when_it_is_assigned(bench: Bench) -> None:
    esim = bench.esim(DAY_BUNDLE)
    assert bench.assignment(esim).state == "active"
    assert bench.assignment(esim).started_at == START


def test_an_autostart_bundle_may_wait_for_its_first_data(make_bench: Make) -> None:
    bench = make_bench(autostart_starts="first-use")
    assert bench.assignment(bench.esim(DAY_BUNDLE)).state == "queued"


def test_an_active_bundle_expires_to_the_second(bench: Bench) -> None:
    esim = bench.esim()
    device.use_data(bench.world, esim, 1, None, bench.now)
    bench.later(days=7, seconds=-1)
    assert bench.assignment(esim).state == "active"
    bench.later(seconds=1)
    assert bench.assignment(esim).state == "expired"
    assert esim.history[-1].name == "Bundle Expired"


def test_a_bundle_without_data_is_depleted_and_expires_at_its_end(bench: Bench) -> None:
    esim = bench.esim()
    served = device.use_data(bench.world, esim, 2_000_000_000, None, bench.now)
    assert [part.bytes for part in served] == [1_000_000_000]
    assert bench.assignment(esim).state == "depleted"
    bench.later(days=7)
    assert bench.assignment(esim).state == "expired"


def test_the_oldest_queued_bundle_follows_a_depleted_one(bench: Bench) -> None:
    esim = bench.esim()
    add(bench, esim.iccid)
    add(bench, esim.iccid)
    served = device.use_data(bench.world, esim, 1_500_000_000, None, bench.now)
    assert [part.bytes for part in served] == [1_000_000_000, 500_000_000]
    states = [bench.assignment(esim, place).state for place in range(3)]
    assert states == ["depleted", "active", "queued"]


def test_the_newest_bundle_follows_if_the_switch_is_on(make_bench: Make) -> None:
    bench = make_bench(next_bundle="newest")
    esim = bench.esim()
    add(bench, esim.iccid)
    device.use_data(bench.world, esim, 1, None, bench.now)
    assert [bench.assignment(esim, place).state for place in range(2)] == ["queued", "active"]


def test_a_bundle_that_does_not_cover_the_country_serves_nothing(bench: Bench) -> None:
    esim = bench.esim()
    assert device.use_data(bench.world, esim, 1000, "FR", bench.now) == []
    assert bench.assignment(esim).state == "queued"


def test_only_one_bundle_is_active_even_in_another_country(bench: Bench) -> None:
    esim = bench.esim()
    add(bench, esim.iccid, EUROPE)
    device.use_data(bench.world, esim, 1000, "GB", bench.now)
    assert device.use_data(bench.world, esim, 1000, "FR", bench.now) == []


def test_a_second_bundle_starts_abroad_if_the_switch_is_on(make_bench: Make) -> None:
    bench = make_bench(active_bundles="per-country")
    esim = bench.esim()
    add(bench, esim.iccid, EUROPE)
    device.use_data(bench.world, esim, 1000, "GB", bench.now)
    served = device.use_data(bench.world, esim, 1000, "FR", bench.now)
    assert [part.bundle for part in served] == [EUROPE]
    assert [bench.assignment(esim, place).state for place in range(2)] == ["active", "active"]


def test_queued_bundles_start_on_attaching_if_the_switch_is_on(make_bench: Make) -> None:
    bench = make_bench(queued_starts="attached")
    esim = bench.esim()
    add(bench, esim.iccid)
    device.attach(bench.world, esim, None, bench.now)
    assert [bench.assignment(esim, place).state for place in range(2)] == ["active", "queued"]
    bench.later(days=7)
    assert [bench.assignment(esim, place).state for place in range(2)] == ["expired", "active"]


def test_unlimited_bundles_count_down_and_never_deplete(bench: Bench) -> None:
    esim = bench.esim(UNLIMITED)
    device.use_data(bench.world, esim, 60_000_000_000, None, bench.now)
    assert bench.assignment(esim).state == "active"
    assert bench.assignment(esim).remaining == 0
    assert "Utilisation" not in bench.event_types()


def test_unlimited_quantities_may_be_minus_one(make_bench: Make) -> None:
    bench = make_bench(unlimited_quantity=-1)
    esim = bench.esim(UNLIMITED)
    device.use_data(bench.world, esim, 5_000_000, None, bench.now)
    assert (bench.assignment(esim).initial, bench.assignment(esim).remaining) == (-1, -1)


def test_an_unused_bundle_expires_after_a_year_if_its_esim_exists(bench: Bench) -> None:
    esim = bench.esim()
    bench.later(days=170)
    add(bench, esim.iccid)
    bench.later(days=170)
    add(bench, esim.iccid)
    bench.later(days=25)
    assert [bench.assignment(esim, place).state for place in range(3)] == [
        "lapsed",
        "queued",
        "queued",
    ]


def test_a_silent_esim_is_deleted_seven_days_after_the_notice(bench: Bench) -> None:
    esim = bench.esim()
    bench.later(days=180)
    assert bench.event_types(esim) == ["esim.deletion_scheduled"]
    assert esim.state == "active"
    bench.later(days=7)
    assert bench.event_types(esim) == ["esim.deletion_scheduled", "esim.deleted"]
    assert (esim.state, esim.profile_status) == ("deactivated", "Deactivated")
    assert bench.assignment(esim).state == "lapsed"


def test_a_new_bundle_cancels_the_deletion(bench: Bench) -> None:
    esim = bench.esim()
    bench.later(days=185)
    add(bench, esim.iccid)
    bench.later(days=30)
    assert esim.state == "active"
    assert bench.event_types(esim) == ["esim.deletion_scheduled"]
    bench.later(days=150)
    assert bench.event_types(esim) == ["esim.deletion_scheduled"] * 2


def test_the_phone_number_exists_while_a_voice_bundle_does(bench: Bench) -> None:
    esim = bench.esim(VOICE_BUNDLE)
    add(bench, esim.iccid, VOICE_BUNDLE)
    device.use_data(bench.world, esim, 5_000_000_000, None, bench.now)
    assert bench.event_types(esim).count("MSISDNEnabled") == 1
    assert "MSISDNDisabled" not in bench.event_types(esim)
    device.use_data(bench.world, esim, 5_000_000_000, None, bench.now)
    assert bench.event_types(esim).count("MSISDNDisabled") == 1
    assert '"reason":"Bundle depleted"' in bench.callbacks(esim)[-1].body


def test_one_long_step_of_the_clock_equals_many_short_ones(make_bench: Make) -> None:
    benches = [make_bench(), make_bench()]
    for bench in benches:
        esim = bench.esim()
        device.use_data(bench.world, esim, 1, None, bench.now)
    benches[0].later(days=400)
    for _ in range(400):
        benches[1].later(days=1)
    histories = [
        [entry for esim in bench.world.esims for entry in esim.history] for bench in benches
    ]
    assert histories[0] == histories[1]
    bodies = [[item.body for item in bench.callbacks()] for bench in benches]
    assert bodies[0] == bodies[1]
