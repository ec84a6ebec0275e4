"""When an attack counts as harmful to well-behaved clients and to the processes."""

from typing import Any

import pytest

from bench.abuse.run import Result
from bench.abuse.verdict import Bounds, harm

MB = 2**20


def result(**changes: Any) -> Result:
    """An attack without any effect, except for the given changes."""
    normal = [(0.01, "")] * 100
    requests = {"before": normal, "during": normal, "after": normal} | changes.pop("requests", {})
    memory = {"idle": {"gateway": 90 * MB}, "peak": {"gateway": 280 * MB}} | changes
    return Result("gateway", requests=requests, **memory)


def test_one_failure_in_two_hundred_requests_is_tolerated() -> None:
    almost = [(0.01, "")] * 199 + [(0.01, "503 busy")]
    assert harm(result(requests={"during": almost}), Bounds()) == []


def test_an_attack_without_effect_does_no_harm() -> None:
    assert harm(result(), Bounds()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"requests": {"during": [(0.01, "")] * 98 + [(1.2, "")] * 2}}, "p99 rose by 1.2 s during"),
        ({"requests": {"after": [(1.2, "")] * 100}}, "p99 rose by 1.2 s after"),
        ({"requests": {"during": []}}, "p99 rose by inf s during"),
        (
            {"requests": {"during": [(0.01, "503 busy"), (0.01, "")]}},
            "1 requests failed, such as 503",
        ),
        ({"peak": {"gateway": 291 * MB}}, "gateway grew by 201 MB"),
        ({"ended": ["orders"]}, "orders ended"),
    ],
)
def test_each_kind_of_harm_is_reported(changes: dict[str, Any], text: str) -> None:
    [found] = harm(result(**changes), Bounds())
    assert text in found
