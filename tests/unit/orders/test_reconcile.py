import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.orders.purchase.reconcile import Attempt, Candidate, Decision, Outcome, match

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SETTLING = timedelta(seconds=120)
TOLERANCE = timedelta(seconds=30)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(began: float, ended: float | None, *, in_review: bool = False) -> Attempt:
    return Attempt(
        uuid4(), uuid4(), at(began), None if ended is None else at(ended), in_review=in_review
    )


def candidate(name: str, created: float) -> Candidate:
    return Candidate(name, at(created))


def decide(
    attempts: list[Attempt], candidates: list[Candidate], read: float
) -> list[tuple[Outcome, str | None]]:
    decisions = match(
        attempts, candidates, read_at=at(read), settling=SETTLING, tolerance=TOLERANCE
    )
    return [
        (decisions[a.id].outcome, decisions[a.id].reference) for a in attempts if a.id in decisions
    ]


WAIT, ABSENT, REVIEW = (Outcome.WAIT, None), (Outcome.ABSENT, None), (Outcome.REVIEW, None)


def test_one_order_and_one_attempt_are_matched_at_once() -> None:
    assert decide([attempt(0, 5)], [candidate("r", 2)], read=6) == [(Outcome.PLACED, "r")]


def test_a_missing_order_waits_until_it_would_certainly_be_listed() -> None:
    one = attempt(0, 5)
    assert decide([one], [], read=124) == [WAIT]
    assert decide([one], [], read=125) == [ABSENT]


def test_an_older_order_is_not_matched_to_the_attempt() -> None:
    assert decide([attempt(100, 105)], [candidate("old", 69)], read=300) == [ABSENT]


def test_a_provider_clock_slightly_behind_is_tolerated() -> None:
    assert decide([attempt(100, 105)], [candidate("r", 71)], read=106) == [(Outcome.PLACED, "r")]


def test_a_provider_clock_far_ahead_is_tolerated() -> None:
    days = 86_400.0 * 8
    assert decide([attempt(0, 5)], [candidate("r", days)], read=6) == [(Outcome.PLACED, "r")]


UNDATED = Candidate("undated", None)


def test_an_order_of_unknown_time_may_match_any_attempt() -> None:
    assert decide([attempt(0, 5)], [UNDATED], read=500) == [(Outcome.PLACED, "undated")]
    both = [attempt(0, 5), attempt(600, 605)]
    assert decide(both, [candidate("r", 601), UNDATED], read=606) == [
        (Outcome.PLACED, "r"),
        (Outcome.PLACED, "undated"),
    ]
    assert decide([attempt(0, 5)], [candidate("r", 2), UNDATED], read=500) == [REVIEW]
    assert decide([attempt(0, 5), attempt(1, None)], [UNDATED], read=500) == [WAIT]


def test_two_orders_for_one_attempt_go_to_review() -> None:
    assert decide([attempt(0, 5)], [candidate("a", 1), candidate("b", 2)], read=500) == [REVIEW]


def test_equal_orders_for_equal_attempts_are_interchangeable() -> None:
    attempts = [attempt(0, 5), attempt(1, 6)]
    found = decide(attempts, [candidate("b", 3), candidate("a", 2)], read=7)
    assert found == [(Outcome.PLACED, "a"), (Outcome.PLACED, "b")]


def test_one_order_for_two_attempts_waits_until_no_second_can_appear() -> None:
    attempts = [attempt(0, 5), attempt(1, 6)]
    assert decide(attempts, [candidate("r", 3)], read=125) == [WAIT, WAIT]
    assert decide(attempts, [candidate("r", 3)], read=126) == [(Outcome.PLACED, "r"), ABSENT]


def test_an_order_that_a_call_in_flight_may_have_placed_is_not_matched() -> None:
    attempts = [attempt(0, 5), attempt(100, None)]
    assert decide(attempts, [candidate("r", 90)], read=500) == [WAIT]


def test_an_order_older_than_every_call_in_flight_is_matched() -> None:
    attempts = [attempt(0, 5), attempt(100, None)]
    assert decide(attempts, [candidate("r", 2)], read=101) == [(Outcome.PLACED, "r")]


def test_an_order_that_one_in_review_may_own_goes_to_review_too() -> None:
    attempts = [attempt(0, 5, in_review=True), attempt(50, 55)]
    assert decide(attempts, [candidate("r", 52)], read=60) == [REVIEW]


def test_an_order_in_review_does_not_delay_an_attempt_that_bought_nothing() -> None:
    attempts = [attempt(0, 5, in_review=True), attempt(500, 505)]
    assert decide(attempts, [candidate("a", 1), candidate("b", 2)], read=700) == [ABSENT]


def test_orders_older_than_all_but_one_attempt_cannot_all_be_explained() -> None:
    attempts = [attempt(0, 5), attempt(100, 105)]
    found = decide(attempts, [candidate("a", 1), candidate("b", 2)], read=500)
    assert found == [REVIEW, REVIEW]


@pytest.mark.parametrize("seed", range(200))
def test_no_reference_is_assigned_twice_or_without_a_cause(seed: int) -> None:
    rng = random.Random(seed)
    attempts, bought = [], []
    for index in range(rng.randint(1, 5)):
        began = rng.uniform(0, 300)
        on_its_way = rng.random() < 0.2
        attempts.append(attempt(began, None if on_its_way else began + rng.uniform(0.1, 15)))
        if rng.random() < 0.6:
            bought.append(candidate(f"r{index}", began + rng.uniform(0, 10)))
    read = rng.uniform(300, 600)
    decisions = match(attempts, bought, read_at=at(read), settling=SETTLING, tolerance=TOLERANCE)
    assert set(decisions) == {a.id for a in attempts if a.ended_at is not None}
    given = [d.reference for d in decisions.values() if d.outcome is Outcome.PLACED]
    assert len(given) == len(set(given))
    assert set(given) <= {c.reference for c in bought}
    check_nothing_is_bought_twice(attempts, bought, decisions)


def check_nothing_is_bought_twice(
    attempts: list[Attempt], bought: list[Candidate], decisions: Mapping[UUID, Decision]
) -> None:
    """If an attempt counts as absent, every provider order has an owner: none is left paid and unused."""
    if not any(d.outcome is Outcome.ABSENT for d in decisions.values()):
        return
    given = {d.reference for d in decisions.values()}
    asked = [a for a in attempts if a.id in decisions]
    for one in bought:
        made = one.created_at
        could_be = any(made is None or made >= a.started_at - TOLERANCE for a in asked)
        assert one.reference in given or not could_be


def narrowed(
    attempts: list[Attempt], candidates: list[Candidate], *, own: frozenset[str] = frozenset()
) -> list[tuple[Outcome, str | None]]:
    decisions = match(
        attempts,
        candidates,
        read_at=at(10_000),
        settling=SETTLING,
        tolerance=TOLERANCE,
        own_addresses=own,
    )
    return [(decisions[a.id].outcome, decisions[a.id].reference) for a in attempts]


OURS = frozenset({"192.0.2.1"})


def test_of_two_candidates_the_one_bought_by_the_platform_is_matched() -> None:
    mine = Candidate("mine", at(3), "192.0.2.1")
    portal = Candidate("portal", at(2), "198.51.100.9")
    assert narrowed([attempt(0, 5)], [portal, mine], own=OURS) == [(Outcome.PLACED, "mine")]
    assert narrowed([attempt(0, 5)], [portal, mine]) == [REVIEW]


def test_a_candidate_placed_long_after_the_attempt_is_foreign() -> None:
    late = candidate("late", 5 + 120 + 31)
    assert narrowed([attempt(0, 5)], [candidate("r", 2), late]) == [(Outcome.PLACED, "r")]


def test_an_unusual_candidate_never_proves_that_nothing_was_bought() -> None:
    # Our public address may have changed since: the order is adopted, or it would be bought again.
    moved = Candidate("r", at(2), "203.0.113.7")
    assert narrowed([attempt(0, 5)], [moved], own=OURS) == [(Outcome.PLACED, "r")]
    two = [moved, Candidate("s", at(3), "198.51.100.9")]
    assert narrowed([attempt(0, 5)], two, own=OURS) == [REVIEW]
