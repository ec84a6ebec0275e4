"""Matches provider orders with attempts of unclear outcome; values in, decisions out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that may have bought, of one bundle and quantity.

    `ended_at` is None while it is in flight: then it is not decided yet, but an order that it places must
    not be matched with another attempt.
    """

    id: UUID
    order_id: UUID
    started_at: datetime
    ended_at: datetime | None
    in_review: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider order of that bundle, quantity and target which no order here owns.

    `created_at` is None if the provider's time for it is implausible. `source_address` is where it was
    bought from; empty if the provider didn't say.
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
    """Return a decision for each attempt that ended; those in review are never decided here.

    All attempts and candidates are of one bundle, quantity and target, so any candidate made since
    an attempt may be its own, and candidates are interchangeable. `read_at` is when the provider's
    list was read, `settling` how long an order may take to be listed, `tolerance` by how much the
    provider's clock may be off. `own_addresses` are where this platform was seen to buy from.

    Where more candidates than attempts are left, those that were made long after the attempts or from
    elsewhere are treated as foreign. This only chooses between candidates: that none is left never counts
    as proof that nothing was bought.

    Longer than other functions on purpose: the order of the rules decides, and is read best in one place.
    """
    questions = sorted(
        (a for a in attempts if a.ended_at is not None and not a.in_review),
        key=lambda a: (a.started_at, a.id),
    )
    in_flight = [a for a in attempts if a.ended_at is None]
    in_review = [a for a in attempts if a.ended_at is not None and a.in_review]

    def could_be(candidate: Candidate, attempt: Attempt) -> bool:
        # An order of unknown time may be any attempt's, as all listed ones are newer than the oldest attempt.
        made = candidate.created_at
        return made is None or made >= attempt.started_at - tolerance

    possible = sorted(
        (c for c in candidates if any(could_be(c, a) for a in questions)),
        # Those of unknown time last, as they fit any attempt.
        key=lambda c: (c.created_at is None, c.created_at or read_at, c.reference),
    )

    def likely(candidate: Candidate) -> bool:
        from_here = not (own_addresses and candidate.source_address) or (
            candidate.source_address in own_addresses
        )
        made = candidate.created_at
        return from_here and any(
            made is None or (a.ended_at is not None and made <= a.ended_at + settling + tolerance)
            for a in questions
        )

    if len(possible) > len(questions):
        narrowed = [c for c in possible if likely(c)]
        # With fewer, a foreign order can't be distinguished from an unusual one of ours.
        if len(narrowed) == len(questions):
            possible = narrowed

    def settled(attempt: Attempt) -> bool:
        return attempt.ended_at is not None and read_at >= attempt.ended_at + settling

    def all_as(outcome: Outcome) -> dict[UUID, Decision]:
        return {a.id: Decision(outcome) for a in questions}

    if not possible:
        return {a.id: Decision(Outcome.ABSENT if settled(a) else Outcome.WAIT) for a in questions}
    if any(could_be(c, a) for c in possible for a in in_flight):
        return all_as(Outcome.WAIT)
    if any(could_be(c, a) for c in possible for a in in_review):
        return all_as(Outcome.REVIEW)
    # The k-th oldest candidate needs k attempts that began before it; otherwise it is foreign.
    explained = all(
        sum(could_be(candidate, a) for a in questions) >= rank
        for rank, candidate in enumerate(possible, start=1)
    )
    if len(possible) > len(questions) or not explained:
        return all_as(Outcome.REVIEW)
    if len(possible) < len(questions) and not all(settled(a) for a in questions):
        # An order that is not listed yet could change the matching.
        return all_as(Outcome.WAIT)
    # Oldest to oldest: each candidate takes the first remaining attempt that began before it.
    decisions = all_as(Outcome.ABSENT)
    for candidate, attempt in zip(possible, questions, strict=False):
        decisions[attempt.id] = Decision(Outcome.PLACED, candidate.reference)
    return decisions


def doubted(
    decision: Decision, attempt: Attempt, read_at: datetime, settling: timedelta
) -> Decision:
    """Return the decision if an unreadable row of the provider's list may be this attempt's order.

    Nothing is bought again or matched then: the row may become readable while the list settles, and after
    that an operator has to decide.
    """
    if decision.outcome not in (Outcome.PLACED, Outcome.ABSENT):
        return decision
    settled = attempt.ended_at is not None and read_at >= attempt.ended_at + settling
    return Decision(Outcome.REVIEW if settled else Outcome.WAIT)
