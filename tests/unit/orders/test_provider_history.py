"""An unreadable row of the provider's list of orders hides none of the others."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.orders.provider.provider_history import History
from services.orders.purchase.reconcile import Attempt, Decision, Outcome, doubted
from tests.fixtures.long_texts import EMOJI

LINE = {"type": "bundle", "item": "esim_a", "quantity": 1}
GOOD = {"orderReference": "ref-1", "createdDate": "2026-11-20T10:00:00Z", "order": [LINE]}
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("row", "reference", "item"),
    [
        (None, "", ""),
        ("ref-2", "", ""),
        ({}, "", ""),
        ({**GOOD, "orderReference": None}, "", "esim_a"),
        ({**GOOD, "orderReference": "ref-2", "order": "esim_a"}, "ref-2", ""),
        ({**GOOD, "orderReference": "ref-2", "order": [None]}, "ref-2", ""),
        (
            {**GOOD, "orderReference": "ref-2", "order": [{**LINE, "quantity": "1"}]},
            "ref-2",
            "esim_a",
        ),
        ({**GOOD, "orderReference": "ref-2", "order": [{**LINE, "type": None}]}, "ref-2", "esim_a"),
        ({**GOOD, "orderReference": "ref-2", "order": [{**LINE, "item": 7.5}]}, "ref-2", ""),
        ({**GOOD, "orderReference": EMOJI}, "", "esim_a"),
        ({**GOOD, "orderReference": 10**4_200}, "", "esim_a"),
        ({**GOOD, "orderReference": "ref-2", "order": [{**LINE, "item": EMOJI}]}, "ref-2", ""),
    ],
)
def test_an_unreadable_row_is_collected_separately(row: Any, reference: str, item: str) -> None:
    history = History()
    assert history.add([row, GOOD])
    assert list(history.orders) == ["ref-1"]
    [odd] = history.unreadable.values()
    assert (odd.reference, odd.item) == (reference, item)
    assert history.may_be_of("esim_a") == [odd]
    assert bool(history.may_be_of("esim_b")) == (item == "")
    assert not history.add([row, GOOD])  # a provider that ignores page numbers ends so


@pytest.mark.parametrize(
    "row",
    [
        {**GOOD, "orderReference": "ref-2", "createdDate": "soon"},
        {**GOOD, "orderReference": "ref-2", "order": [LINE, LINE]},
        {**GOOD, "orderReference": "ref-2", "order": [{**LINE, "type": "topup", "quantity": "1"}]},
        {**GOOD, "orderReference": "ref-2", "order": []},
    ],
)
def test_a_row_that_cannot_be_a_bundle_purchase_is_not_unreadable(row: Any) -> None:
    history = History()
    assert history.add([row, GOOD])
    assert list(history.orders) == ["ref-2", "ref-1"]
    assert not history.unreadable


@pytest.mark.parametrize("verdict", [Outcome.PLACED, Outcome.ABSENT])
def test_a_doubtful_decision_waits_and_then_goes_to_review(verdict: Outcome) -> None:
    ended = Attempt(uuid4(), uuid4(), NOW - 3 * MINUTE, NOW - 2 * MINUTE)
    assert doubted(Decision(verdict, "ref"), ended, NOW, 3 * MINUTE) == Decision(Outcome.WAIT)
    assert doubted(Decision(verdict, "ref"), ended, NOW, MINUTE) == Decision(Outcome.REVIEW)
    for other in (Outcome.WAIT, Outcome.REVIEW):
        assert doubted(Decision(other), ended, NOW, MINUTE) == Decision(other)
