"""When an attack counts as harmful to well-behaved clients and to the processes."""

from typing import Any

import pytest

from bench.abuse.stage import Seen
from bench.abuse.verdict import Bounds, harm

MB = 2**20


def seen(**changes: Any) -> Seen:
    """An attack without any effect, except for the given changes."""
    calm = [(0.01, "")] * 100
    polite = {"before": calm, "during": calm, "after": calm} | changes.pop("polite", {})
    memory = {"idle": {"gateway": 90 * MB}, "peak": {"gateway": 280 * MB}} | changes
    return Seen("gateway", polite=polite, **memory)


def test_one_request_in_two_hundred_may_fail() -> None:
    almost = [(0.01, "")] * 199 + [(0.01, "503 busy")]
    assert harm(seen(polite={"during": almost}), Bounds()) == []


def test_an_attack_that_nobody_feels_is_held() -> None:
    assert harm(seen(), Bounds()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
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
def test_each_kind_of_harm_is_found(changes: dict[str, Any], words: str) -> None:
    [found] = harm(seen(**changes), Bounds())
    assert words in found
