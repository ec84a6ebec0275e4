"""Matches provider orders with attempts of unclear outcome; values in, decisions out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call to the provider that may have bought something.

    `ended_at` is None while the call is in flight. Such an attempt gets no decision yet, but an order that it
    places must not be matched with another attempt.
    """

    id: UUID
    order_id: UUID
    started_at: datetime
    ended_at: datetime | None
    in_review: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider order that may be an attempt's: it belongs to no order of this platform yet.

    `created_at` is None if the provider's time for it is implausible. `source_address` is the
    address that it was bought from, empty if the provider didn't report it.
    """

    reference: str
    created_at: datetime | None
    source_address: str = ""


class Outcome(StrEnum):
    """Outcome of an attempt.

    PLACED: bought, under a reference. ABSENT: certainly not bought. WAIT: not known yet.
    REVIEW: an operator has to decide.
    """

    PLACED = "PLACED"
    ABSENT = "ABSENT"
    WAIT = "WAIT"
    REVIEW = "REVIEW"


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    reference: str | None = None


def match(
    attempts: Sequence[Attempt],
    candidates: Sequence[Candidate],
    *,
    read_at: datetime,
    settling: timedelta,
    tolerance: timedelta,
    own_addresses: frozenset[str] = frozenset(),
) -> Mapping[UUID, Decision]:
    """Return a decision for each ended attempt that is not in review.

    All attempts and candidates must have the same bundle, quantity and target. So candidates are
    interchangeable, and each may belong to any attempt that started before it. `read_at` is when the
    provider's list was read, `settling` how long an order may take to be listed, and `tolerance` by how much
    the provider's clock may be off. `own_addresses` are the addresses that this platform buys from, if known.

    If there are more candidates than attempts, those made long after the attempts or from another address are
    ignored as foreign, but only if exactly one candidate per attempt remains. That all its candidates were
    ignored is not enough for an attempt to count as ABSENT.

    It is one long function on purpose, because the order of the rules matters.
    """
    undecided = sorted(
        (a for a in attempts if a.ended_at is not None and not a.in_review),
        key=lambda a: (a.started_at, a.id),
    )
    in_flight = [a for a in attempts if a.ended_at is None]
    in_review = [a for a in attempts if a.ended_at is not None and a.in_review]

    def could_be(candidate: Candidate, attempt: Attempt) -> bool:
        # An order of unknown time may belong to any attempt: the list starts at the oldest one.
        made = candidate.created_at
        return made is None or made >= attempt.started_at - tolerance

    possible = sorted(
        (c for c in candidates if any(could_be(c, a) for a in undecided)),
        # Candidates of unknown time last, because they fit any attempt.
        key=lambda c: (c.created_at is None, c.created_at or read_at, c.reference),
    )

    def likely(candidate: Candidate) -> bool:
        from_here = not (own_addresses and candidate.source_address) or (
            candidate.source_address in own_addresses
        )
        made = candidate.created_at
        return from_here and any(
            made is None or (a.ended_at is not None and made <= a.ended_at + settling + tolerance)
            for a in undecided
        )

    if len(possible) > len(undecided):
        narrowed = [c for c in possible if likely(c)]
        # If fewer remain, a foreign order can't be distinguished from an unusual one of ours.
        if len(narrowed) == len(undecided):
            possible = narrowed

    def settled(attempt: Attempt) -> bool:
        return attempt.ended_at is not None and read_at >= attempt.ended_at + settling

    def all_as(outcome: Outcome) -> dict[UUID, Decision]:
        return {a.id: Decision(outcome) for a in undecided}

    if not possible:
        return {a.id: Decision(Outcome.ABSENT if settled(a) else Outcome.WAIT) for a in undecided}
    if any(could_be(c, a) for c in possible for a in in_flight):
        return all_as(Outcome.WAIT)
    if any(could_be(c, a) for c in possible for a in in_review):
        return all_as(Outcome.REVIEW)
    # The k-th oldest candidate needs k attempts that began before it; otherwise one candidate is foreign.
    explained = all(
        sum(could_be(candidate, a) for a in undecided) >= rank
        for rank, candidate in enumerate(possible, start=1)
    )
    if len(possible) > len(undecided) or not explained:
        return all_as(Outcome.REVIEW)
    if len(possible) < len(undecided) and not all(settled(a) for a in undecided):
        # An order that is not listed yet could change the matching.
        return all_as(Outcome.WAIT)
    # Oldest to oldest: each candidate takes the first remaining attempt that began before it.
    decisions = all_as(Outcome.ABSENT)
    for candidate, attempt in zip(possible, undecided, strict=False):
        decisions[attempt.id] = Decision(Outcome.PLACED, candidate.reference)
    return decisions


def doubted(
    decision: Decision, attempt: Attempt, read_at: datetime, settling: timedelta
) -> Decision:
    """Replace a decision that is unsafe because an odd row of the list may be this attempt's order.

    The attempt is neither matched nor counted as absent. The order waits until the settling time is over, in
    case the row is corrected, and then goes to an operator.
    """
    if decision.outcome not in (Outcome.PLACED, Outcome.ABSENT):
        return decision
    settled = attempt.ended_at is not None and read_at >= attempt.ended_at + settling
    return Decision(Outcome.REVIEW if settled else Outcome.WAIT)
