"""The metrics of several processes as one text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.worker_metrics import together


def shown(count: int, path: str) -> str:
    """A process's metrics, with and without labels, as prometheus_client writes them."""
    registry = CollectorRegistry()
    Counter("asked", 'With "quotes" { and } brackets', ["path"], registry=registry).labels(
        path
    ).inc(count)
    Gauge("memory_bytes", "Without labels", registry=registry).set(count * 1.5e7)
    Histogram("seconds", "Of buckets", buckets=(0.1, 1), registry=registry).observe(0.5)
    return generate_latest(registry).decode()


def test_each_series_is_shown_under_its_process_and_each_family_once() -> None:
    text = together({"1": shown(3, "/a{b}"), "2": shown(4, 'c"d\n')}).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert text.count("# TYPE asked_total counter\n") == 1
    assert text.count("# HELP") == text.count("# TYPE") == len(families)

    def values(family: str, name: str) -> dict[str, float]:
        samples = families[family].samples
        return {s.labels["worker"]: s.value for s in samples if s.name == name}

    assert values("asked", "asked_total") == {"1": 3, "2": 4}
    assert values("memory_bytes", "memory_bytes") == {"1": 4.5e7, "2": 6e7}
    assert values("seconds", "seconds_count") == {"1": 1, "2": 1}
    assert {s.labels.get("path") for s in families["asked"].samples} == {"/a{b}", 'c"d\n'}
    assert families["asked"].documentation == 'With "quotes" { and } brackets'


def test_the_samples_of_a_family_stand_together() -> None:
    names = [
        line.split("{")[0]
        for line in together({n: shown(1, "/") for n in ("1", "2", "3")}).decode().splitlines()
        if not line.startswith("#")
    ]
    first = names.index("memory_bytes")
    assert (
        names[first : first + 3]
        == ["memory_bytes"] * 3
        == [n for n in names if n == "memory_bytes"]
    )


def test_a_process_that_tells_nothing_now_is_left_out() -> None:
    text = shown(1, "/")
    assert together({"1": text, "2": ""}) == together({"1": text})
    assert together({}) == b""
