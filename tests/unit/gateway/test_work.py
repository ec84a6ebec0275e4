"""The work budget of operations: reserved before execution, settled after it, refused beyond the limit."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.defence_settings import DefenceSettings
from gateway.documents.cost import Measured
from gateway.documents.work import (
    BYTES,
    CHARACTER,
    FREE_VALUES,
    MAX_DOCUMENT,
    RESERVED,
    VALUE,
    Work,
)
from gateway.documents.work_settings import WorkSettings
from gateway.http.rate_limits import WORK_BURST, RateLimits
from kit.auth.sessions import ANONYMOUS, Role, Session
from kit.errors import Failure, Kind
from tests.fixtures.stepped_clock import SteppedClock

RATE = 1_000.0
BURST = RATE * WORK_BURST
ALICE = Session(Role.CUSTOMER, UUID(int=1), MappingProxyType({}), "", None)
BOB = Session(Role.CUSTOMER, UUID(int=2), MappingProxyType({}), "", None)


def measured(cost: int, objects: int = 0) -> Measured:
    """An operation whose cost beyond 10 is for its rows."""
    return Measured(cost, introspects=False, rows=cost - 10 if objects else 0, objects=objects)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


class Shares:
    """Callers by address and user in front of one gateway."""

    def __init__(self, clock: SteppedClock, **rates: Any) -> None:
        work = WorkSettings(**{"user_rate": RATE, "address_rate": RATE, **rates})
        self._limits = RateLimits(DefenceSettings(work=work), None, clock)

    def of(self, address: str, session: Session = ANONYMOUS) -> Work:
        request: web.Request = make_mocked_request("POST", "/graphql").clone(remote=address)
        return self._limits.work(request, session)


def wait(work: Work, cost: int = 1) -> float:
    """Return the seconds until the caller may send the next operation."""
    with pytest.raises(Failure) as refusal:
        work.begin(measured(cost))
    failure = refusal.value
    assert (failure.kind, failure.reason) == (Kind.EXHAUSTED, "TOO_MUCH_WORK")
    assert "first" in failure.message
    assert failure.retry_after is not None
    return failure.retry_after


def test_work_beyond_the_burst_has_to_wait(clock: SteppedClock) -> None:
    shares = Shares(clock)
    shares.of("192.0.2.1").begin(measured(int(BURST)))
    shares.of("192.0.2.1").begin(measured(500))  # the bucket held no more than its burst
    assert wait(shares.of("192.0.2.1")) == 0.5
    shares.of("192.0.2.2").begin(measured(1))
    clock.passed += 0.5
    shares.of("192.0.2.1").begin(measured(1))


def test_a_large_operation_reserves_a_part_and_settles_its_actual_work(clock: SteppedClock) -> None:
    shares = Shares(clock, address_rate=RESERVED)
    for address, objects in (("192.0.2.1", 50_000), ("192.0.2.2", 8_000), ("192.0.2.3", 0)):
        work = shares.of(address)
        work.begin(measured(50_000, objects=50_000))
        work.end(objects)
    assert wait(shares.of("192.0.2.1")) == 50_000 / RESERVED - WORK_BURST
    shares.of("192.0.2.2").begin(measured(1))
    shares.of("192.0.2.3").begin(measured(1))


def test_concurrent_operations_are_refused_before_any_has_ended(clock: SteppedClock) -> None:
    shares = Shares(clock, address_rate=RESERVED)
    for _ in range(int(WORK_BURST) + 1):
        shares.of("192.0.2.1").begin(measured(50_000, objects=50_000))
    assert wait(shares.of("192.0.2.1")) == 1.0


def test_unused_reserved_work_is_returned(clock: SteppedClock) -> None:
    shares = Shares(clock, address_rate=RESERVED)
    for _ in range(100):  # short lists that were estimated to be long
        work = shares.of("192.0.2.1")
        work.begin(measured(50_000, objects=6_000))
        work.end(10)
    shares.of("192.0.2.1").begin(measured(1))


def test_a_user_has_one_budget_across_addresses(clock: SteppedClock) -> None:
    shares = Shares(clock, address_rate=0)
    shares.of("192.0.2.1", ALICE).begin(measured(int(BURST + RATE)))
    assert wait(shares.of("192.0.2.2", ALICE)) == 1.0
    shares.of("192.0.2.1", BOB).begin(measured(1))
    shares.of("192.0.2.1").begin(measured(1_000_000))  # addresses have no limit here
    shares.of("192.0.2.1").begin(measured(1_000_000))


@pytest.mark.parametrize(
    ("take", "units"),
    [
        (lambda work: work.document("x" * 100), 100 * CHARACTER),
        (lambda work: work.document("x" * 16_384), MAX_DOCUMENT),
        (lambda work: work.values(2_000), 2_000 * VALUE),
        (lambda work: work.body(262_144), 262_144 / BYTES),
    ],
)
def test_document_text_variables_and_bodies_count(
    clock: SteppedClock, take: Callable[[Work], None], units: float
) -> None:
    shares = Shares(clock)
    shares.of("192.0.2.1").begin(measured(int(BURST)))
    take(shares.of("192.0.2.1"))
    assert wait(shares.of("192.0.2.1")) == pytest.approx(units / RATE, abs=0.001)


def test_a_few_variables_are_free(clock: SteppedClock) -> None:
    shares = Shares(clock)
    shares.of("192.0.2.1").begin(measured(int(BURST)))
    for _ in range(100):
        shares.of("192.0.2.1").values(FREE_VALUES)
    shares.of("192.0.2.1").begin(measured(1))


def test_an_operation_is_not_refused_for_its_own_work(clock: SteppedClock) -> None:
    shares = Shares(clock)
    one, another = shares.of("192.0.2.1"), shares.of("192.0.2.1")
    one.document("x" * 16_384)
    one.begin(measured(100))
    assert wait(another) > 0


def test_an_event_costs_its_number_of_objects(clock: SteppedClock) -> None:
    shares = Shares(clock)
    work = shares.of("192.0.2.1", ALICE)
    work.begin(measured(510, objects=500))
    for _ in range(2):
        work.end(500)
    assert wait(shares.of("192.0.2.1", ALICE)) == pytest.approx(0.01)


def test_without_a_rate_nothing_is_refused(clock: SteppedClock) -> None:
    shares = Shares(clock, address_rate=0, user_rate=0)
    for _ in range(100):
        work = shares.of("192.0.2.1", ALICE)
        work.document("x" * 16_384)
        work.begin(measured(500_000))
        work.end(10**9)
