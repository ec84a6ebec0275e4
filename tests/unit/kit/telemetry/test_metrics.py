from prometheus_client import generate_latest

from kit.telemetry import metrics


def test_two_metrics_with_one_name_count_together() -> None:
    with metrics.separate_registry() as registry:
        for _ in range(2):
            metrics.counter("calls", "Calls", ("code",)).labels("OK").inc()
        assert registry.get_sample_value("calls_total", {"code": "OK"}) == 2


def test_a_metric_without_a_value_is_not_listed() -> None:
    with metrics.separate_registry() as registry:
        counter = metrics.counter("calls", "Calls", ("code",))
        assert generate_latest(registry) == b""
        counter.labels("OK")
        assert b'calls_total{code="OK"} 0.0' in generate_latest(registry)


def test_a_separate_registry_is_discarded_after_its_block() -> None:
    with metrics.separate_registry() as registry:
        metrics.gauge("level", "Level").set(1)
    assert metrics.registry() is not registry
    assert metrics.registry().get_sample_value("level") is None
