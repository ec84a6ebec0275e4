"""When an attack counts as harmful to well-behaved clients and to the processes."""

from typing import Any

import pytest

from bench.abuse.stage import Result
from bench.abuse.verdict import Bounds, harm

MB = 2**20


def result(**changes: Any) -> Result:
    """An attack without any effect, except for the given changes."""
    calm = [(0.01, "")] * 100
    polite = {"before": calm, "during": calm, "after": calm} | changes.pop("polite", {})
    memory = {"idle": {"gateway": 90 * MB}, "peak": {"gateway": 280 * MB}} | changes
    return Result("gateway", polite=polite, **memory)


def test_one_failure_in_two_hundred_requests_is_tolerated() -> None:
    almost = [(0.01, "")] * 199 + [(0.01, "503 busy")]
    assert harm(result(polite={"during": almost}), Bounds()) == []


def test_an_attack_without_effect_does_no_harm() -> None:
    assert harm(result(), Bounds()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"polite": {"during": [(0.01, "")] * 98 + [(1.2, "")] * 2}}, "p99 rose by 1.2 s during"),
        ({"polite": {"after": [(1.2, "")] * 100}}, "p99 rose by 1.2 s after"),
        ({"polite": {"during": []}}, "p99 rose by inf s during"),
        (
            {"polite": {"during": [(0.01, "503 busy"), (0.01, "")]}},
            "1 requests failed, such as 503",
        ),
        ({"peak": {"gateway": 291 * MB}}, "gateway grew by 201 MB"),
        ({"ended": ["orders"]}, "orders ended"),
    ],
)
def test_each_kind_of_harm_is_reported(changes: dict[str, Any], text: str) -> None:
    [found] = harm(result(**changes), Bounds())
    assert text in found
