from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.api.faults import FaultError, Faults
from sandbox.api.limiter import Limiter
from tests.fixtures.stepped_clock import ManualClock

START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_tokens_run_out_and_are_restored_in_the_next_window() -> None:
    wall = ManualClock(START)
    limiter = Limiter(wall)
    verdicts = [limiter.spend("a", 1, 3) for _ in range(4)]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert [verdict.retry_after for verdict in verdicts] == [None, None, None, 1]
    assert verdicts[0].reset == START.replace(second=1, microsecond=0)
    wall.now += timedelta(milliseconds=750)
    assert limiter.spend("a", 1, 3).retry_after is None


def test_addresses_do_not_share_their_tokens() -> None:
    limiter = Limiter(ManualClock(START))
    assert limiter.spend("a", 3, 3).retry_after is None
    assert limiter.spend("b", 3, 3).retry_after is None
    assert limiter.spend("a", 1, 3).retry_after == 1


def test_an_expensive_request_passes_alone() -> None:
    limiter = Limiter(ManualClock(START))
    assert limiter.spend("a", 5, 3).retry_after is None
    assert limiter.spend("a", 1, 3).retry_after == 1


def test_a_refused_request_uses_no_tokens() -> None:
    limiter = Limiter(ManualClock(START))
    limiter.spend("a", 8, 10)
    assert limiter.spend("a", 5, 10).retry_after == 1
    assert limiter.spend("a", 2, 10).retry_after is None


def test_headers_have_the_providers_format() -> None:
    headers = Limiter(ManualClock(START)).spend("a", 5, 10).headers()
    assert headers == {
        "X-Ratelimit-Limit": "10",
        "X-Ratelimit-Remaining": "5",
        "X-Ratelimit-Reset": "2026-03-01T12:00:01.000Z",
        "X-Ratelimit-Cost": "5",
    }


def test_a_disabled_rate_limit_never_refuses() -> None:
    limiter = Limiter(ManualClock(START))
    assert all(limiter.spend("a", 5, 0).retry_after is None for _ in range(100))


def test_a_fault_applies_as_often_as_configured() -> None:
    faults = Faults()
    faults.add({"status": 503, "count": 2})
    assert [faults.strike("GET", "/orders") is not None for _ in range(3)] == [True, True, False]


def test_a_fault_can_skip_the_first_requests() -> None:
    faults = Faults()
    faults.add({"status": 503, "skip": 1})
    assert [faults.strike("GET", "/x") is not None for _ in range(3)] == [False, True, False]


def test_a_fault_without_a_count_stays_until_removed() -> None:
    faults = Faults()
    fault = faults.add({"drop": True, "count": 0})
    assert all(faults.strike("GET", "/x") for _ in range(5))
    assert faults.remove(fault.id) == 1
    assert faults.strike("GET", "/x") is None


@pytest.mark.parametrize(
    ("method", "path", "hit"),
    [
        ("POST", "/esims/8943108171500000016/suspend", True),
        ("GET", "/esims/8943108171500000016/suspend", False),
        ("POST", "/esims/8943108171500000016/sms", False),
    ],
)
def test_a_fault_applies_to_its_method_and_path_only(method: str, path: str, hit: bool) -> None:
    faults = Faults()
    faults.add({"method": "post", "path": "/esims/*/suspend", "status": 500})
    assert (faults.strike(method, path) is not None) == hit


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": 99},
        {"status": "503"},
        {"status": True},
        {"drop": True, "status": 500},
        {"drop": True, "count": -1},
        {"drop": True, "effect": "later"},
        {"delay_seconds": -1},
        {"stauts": 500},
    ],
)
def test_an_invalid_fault_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        Faults().add(wanted)
