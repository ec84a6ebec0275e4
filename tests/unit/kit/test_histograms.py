"""Histograms of our own, beside the SDK's: whoever reads them can't tell which counted."""

import math
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as some
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.metrics import Meter as APIsMeter
from opentelemetry.sdk.metrics import MeterProvider as SDKs
from prometheus_client import CollectorRegistry, generate_latest

from kit.histograms import MOST_SERIES, Meter, Meters

BOUNDS = (0.005, 0.1, 1, 2.5)
MEASURED = some.lists(
    some.tuples(
        some.one_of(
            some.sampled_from([*BOUNDS, 0.0, -1.0, math.nan, math.inf]), some.floats(0, 100)
        ),
        some.fixed_dictionaries(
            {"http.route": some.sampled_from(["/graphql", 'a "quoted"\\ one', ""])},
            optional={
                "rpc.status_code": some.integers(0, 3),
                "esimgo.last-try": some.booleans(),
            },
        ),
    )
)


def ours() -> tuple[MeterProvider, CollectorRegistry]:
    others, registry = sdks()
    return Meters(others, registry), registry


def sdks() -> tuple[MeterProvider, CollectorRegistry]:
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=registry
    )
    return SDKs([reader], shutdown_on_exit=False), registry


def shown(registry: CollectorRegistry) -> list[str]:
    return sorted(generate_latest(registry).decode().splitlines())


def value(registry: CollectorRegistry, line: str) -> float:
    (found,) = (text for text in shown(registry) if text.startswith(line + " "))
    return float(found.removeprefix(line))


@given(MEASURED)
def test_prometheus_reads_what_the_sdk_would_show(
    measured: list[tuple[float, dict[str, str | int | bool]]],
) -> None:
    pages = []
    for provider, registry in (ours(), sdks()):
        histogram = provider.get_meter("tried").create_histogram(
            "rpc.call.duration", "s", "Time of a call", explicit_bucket_boundaries_advisory=BOUNDS
        )
        for amount, attributes in measured:
            histogram.record(amount, attributes)
        pages.append(shown(registry))
    assert pages[0] == pages[1]


def test_attributes_in_another_order_are_the_same_series() -> None:
    provider, registry = ours()
    meter = provider.get_meter("tried")
    for attributes in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}):
        again = meter.create_histogram("tried", "s", explicit_bucket_boundaries_advisory=BOUNDS)
        again.record(0.2, attributes)
    assert value(registry, 'tried_seconds_count{a="1",b="2"}') == 2


def test_more_series_than_anybody_reads_are_counted_together() -> None:
    provider, registry = ours()
    histogram = provider.get_meter("tried").create_histogram(
        "tried", "s", explicit_bucket_boundaries_advisory=BOUNDS
    )
    for number in range(MOST_SERIES + 5):
        histogram.record(0.2, {"who": number})
    assert value(registry, 'tried_seconds_count{otel_metric_overflow="true",who=""}') == 5
    assert value(registry, 'tried_seconds_count{otel_metric_overflow="",who="7"}') == 1


def test_nothing_that_threads_measure_is_lost() -> None:
    provider, registry = ours()
    histogram = provider.get_meter("tried").create_histogram(
        "tried", "s", explicit_bucket_boundaries_advisory=BOUNDS
    )

    def measure(_: int) -> None:
        for _ in range(1_000):
            histogram.record(0.25, {"who": "all"})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(measure, range(8)))
    assert value(registry, 'tried_seconds_count{who="all"}') == 8_000
    assert value(registry, 'tried_seconds_sum{who="all"}') == 2_000


def test_other_instruments_are_the_sdks() -> None:
    def seen(_options: CallbackOptions) -> list[Observation]:
        return [Observation(7)]

    pages = []
    for provider, registry in (ours(), sdks()):
        meter = provider.get_meter("tried")
        meter.create_counter("calls", "{call}").add(2)
        meter.create_up_down_counter("open").add(3)
        meter.create_gauge("level").set(4)
        meter.create_observable_counter("seen", [seen])
        meter.create_observable_up_down_counter("held", [seen])
        meter.create_observable_gauge("warmth", [seen])
        meter.create_histogram(
            "size", "By", "What is not time", explicit_bucket_boundaries_advisory=BOUNDS
        ).record(0.2)
        pages.append(shown(registry))
    assert pages[0] == pages[1]
    assert "level 4.0" in pages[0]


def test_no_instrument_of_the_api_is_left_out() -> None:
    """A new one would come to nothing: the API has some that only warn."""
    names = {name for name in vars(APIsMeter) if name.startswith("create_")}
    assert names <= set(vars(Meter))
