"""Which exchange rate is in use, and which ones are held."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalogue.prices.rate import (
    ECB,
    MANUAL,
    Rate,
    Rates,
    Stored,
    jumps,
    parse,
    published,
)

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
TODAY = NOW.date()


def row(
    base: str, quote: str, rate: str, *, days: int = 0, source: str = ECB, held: bool = False
) -> Stored:
    """Return a stored rate of some days ago: at midnight if it was published, else at noon."""
    day = datetime.combine(TODAY - timedelta(days=days), datetime.min.time(), UTC)
    at = day + timedelta(hours=12) if source == MANUAL else day
    return Stored(base, quote, Rate(Decimal(rate), at, source), held)


def used(rows: list[Stored], base: str, quote: str, now: datetime = NOW) -> str | None:
    found = Rates.of(rows).current(base, quote, now)
    return str(found.rate) if found else None


def publish(
    known: list[Stored], day: date = TODAY, needed: tuple[tuple[str, str], ...] = (), **rates: str
) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return the rows that a file adds: rate and held by pair."""
    by_currency = {code: Decimal(rate) for code, rate in rates.items()}
    rows = published(Rates.of(known), day, by_currency, needed, NOW)
    return {row.pair: (str(row.rate.rate), row.held) for row in rows}


def test_a_rate_is_found_directly_inverted_or_crossed_with_twelve_digits() -> None:
    rows = [row("EUR", "USD", "1.08"), row("EUR", "GBP", "0.85"), row("EUR", "JPY", "162.5")]
    assert used(rows, "EUR", "USD") == "1.08"
    assert used(rows, "USD", "EUR") == "0.925925925926"
    assert used(rows, "USD", "GBP") == "0.787037037037"
    assert used(rows, "USD", "JPY") == "150.462962963"
    assert used(rows, "USD", "CHF") is None
    assert used([], "USD", "GBP") is None


def test_a_crossed_rate_is_as_old_as_the_older_of_its_two() -> None:
    rows = [row("EUR", "USD", "1.08", days=1), row("EUR", "GBP", "0.85", days=6)]
    found = Rates.of(rows).current("USD", "GBP", NOW)
    assert found is not None
    assert found.at.date() == TODAY - timedelta(days=6)
    assert found.stale(NOW)


def test_the_newest_published_rate_is_in_use_and_stale_ones_stay() -> None:
    rows = [row("EUR", "USD", "1.08", days=9), row("EUR", "USD", "1.09", days=8)]
    assert used(rows, "EUR", "USD") == "1.09"


def test_a_held_rate_is_not_in_use() -> None:
    rows = [row("EUR", "USD", "1.08", days=1), row("EUR", "USD", "1.30", held=True)]
    assert used(rows, "EUR", "USD") == "1.08"
    assert used(rows[1:], "EUR", "USD") is None


@pytest.mark.parametrize(("days", "expected"), [(0, "0.8"), (4, "0.8"), (5, "0.79"), (30, "0.79")])
def test_a_rate_set_by_hand_applies_first_until_it_is_older_than_four_days(
    days: int, expected: str
) -> None:
    manual = row("USD", "GBP", "0.80", days=days, source=MANUAL)
    rows = [manual, row("USD", "GBP", "0.79")]
    assert Decimal(used(rows, "USD", "GBP") or 0) == Decimal(expected)


def test_a_rate_set_by_hand_stays_in_use_while_published_ones_are_held() -> None:
    rows = [
        row("EUR", "USD", "1.08", days=7),
        row("EUR", "USD", "1.30", days=6, source=MANUAL),
        row("EUR", "USD", "1.09", days=1, held=True),
    ]
    assert used(rows, "EUR", "USD") == "1.30"


def test_of_both_directions_the_newer_one_applies() -> None:
    rows = [
        row("USD", "GBP", "0.80", days=1, source=MANUAL),
        row("GBP", "USD", "1.28", source=MANUAL),
    ]
    assert used(rows, "GBP", "USD") == "1.28"
    assert used(rows, "USD", "GBP") == "0.78125"


def test_staleness_counts_days_of_utc() -> None:
    rate = row("EUR", "USD", "1.08").rate
    assert not rate.stale(rate.at + timedelta(days=4, hours=23))
    assert rate.stale(rate.at + timedelta(days=5))


@pytest.mark.parametrize(
    ("after", "jump"),
    [("1.1", False), ("0.9", False), ("1.1000000001", True), ("0.8999999999", True), ("1", False)],
)
def test_a_jump_is_more_than_ten_percent(after: str, jump: bool) -> None:
    assert jumps(Rate(Decimal(1), NOW, ECB), Rate(Decimal(after), NOW, ECB)) is jump


def test_first_rates_are_accepted() -> None:
    assert publish([], USD="1.08", GBP="0.85") == {
        ("EUR", "USD"): ("1.08", False),
        ("EUR", "GBP"): ("0.85", False),
    }


def test_only_the_rate_that_jumps_is_held() -> None:
    known = [row("EUR", "USD", "1.08", days=1), row("EUR", "GBP", "0.85", days=1)]
    assert publish(known, USD="1.30", GBP="0.86") == {
        ("EUR", "USD"): ("1.30", True),
        ("EUR", "GBP"): ("0.86", False),
    }


def test_days_that_agree_with_a_held_rate_do_not_release_it() -> None:
    known = [row("EUR", "USD", "1.08", days=3)]
    known += [row("EUR", "USD", "1.30", days=days, held=True) for days in (2, 1)]
    assert publish(known, USD="1.31")["EUR", "USD"] == ("1.31", True)


def test_a_following_rate_close_to_the_one_in_use_replaces_the_held_one() -> None:
    known = [row("EUR", "USD", "1.08", days=2), row("EUR", "USD", "10.8", days=1, held=True)]
    assert publish(known, USD="1.09")["EUR", "USD"] == ("1.09", False)
    corrected = publish(known, TODAY - timedelta(days=1), USD="1.08")
    assert corrected["EUR", "USD"] == ("1.08", False)


def test_a_confirmed_jump_is_the_measure_of_the_following_rates() -> None:
    known = [
        row("EUR", "USD", "1.08", days=2),
        row("EUR", "USD", "1.30", days=1, held=True),
        row("EUR", "USD", "1.30", days=1, source=MANUAL),
    ]
    assert publish(known, USD="1.31")["EUR", "USD"] == ("1.31", False)
    assert publish(known, USD="1.09")["EUR", "USD"] == ("1.09", True)


def test_the_same_file_and_an_older_one_add_nothing() -> None:
    known = [row("EUR", "USD", "1.08"), row("EUR", "GBP", "1.30", held=True)]
    assert publish(known, USD="1.08", GBP="1.30") == {}
    assert publish(known, TODAY - timedelta(days=1), USD="1.07", GBP="0.8") == {}


def test_a_pair_that_was_set_by_hand_gets_published_rates_too() -> None:
    known = [
        row("EUR", "USD", "1.08", days=1),
        row("EUR", "GBP", "0.85", days=1),
        row("USD", "GBP", "0.80", source=MANUAL),
        row("JPY", "EUR", "0.006", source=MANUAL),
    ]
    added = publish(known, USD="1.08", GBP="0.85", JPY="200")
    assert added["USD", "GBP"] == ("0.787037037037", False)
    assert added["JPY", "EUR"] == ("0.005", True)
    assert added["EUR", "JPY"] == ("200", True)
    far = [*known[:2], row("USD", "GBP", "1.00", source=MANUAL)]
    assert publish(far, USD="1.08", GBP="0.85")["USD", "GBP"] == ("0.787037037037", True)


def test_small_changes_in_opposite_directions_are_held_if_a_needed_pair_jumps() -> None:
    known = [
        row("EUR", code, rate, days=1)
        for code, rate in (("USD", "1.00"), ("GBP", "1.00"), ("JPY", "160"))
    ]
    changes = {"USD": "0.92", "GBP": "1.08", "JPY": "161"}
    alone = publish(known, **changes)  # type: ignore[arg-type] # its other parameters have other names
    assert not any(held for _, held in alone.values())
    pairs = (("USD", "GBP"), ("USD", "JPY"))
    added = publish(known, needed=pairs, **changes)  # type: ignore[arg-type] # the same
    assert {pair[1] for pair, (_, held) in added.items() if held} == {"USD", "GBP"}


PER_EURO = {"EUR": Decimal(1), "USD": Decimal("1.1"), "GBP": Decimal("0.85"), "JPY": Decimal(160)}
PAIRS = [(base, quote) for base in PER_EURO for quote in PER_EURO if base != quote]
CHANGES = st.decimals(Decimal("0.88"), Decimal("1.13"), places=3)
ROWS = st.builds(
    lambda pair, change, days, source: row(
        pair[0],
        pair[1],
        str(round(PER_EURO[pair[1]] / PER_EURO[pair[0]] * change, 6)),
        days=days,
        source=source,
    ),
    st.sampled_from(PAIRS),
    CHANGES,
    st.integers(1, 8),
    st.sampled_from([ECB, ECB, MANUAL]),
)


@settings(max_examples=500, deadline=None)
@given(
    known=st.lists(ROWS, min_size=2, max_size=8),
    needed=st.sets(st.sampled_from(PAIRS), max_size=4),
    changes=st.tuples(CHANGES, CHANGES, CHANGES),
)
def test_no_published_rate_makes_a_needed_pair_jump(
    known: list[Stored], needed: set[tuple[str, str]], changes: tuple[Decimal, ...]
) -> None:
    before = Rates.of(known)
    file = {
        code: PER_EURO[code] * c for code, c in zip(("USD", "GBP", "JPY"), changes, strict=True)
    }
    rows = published(before, TODAY, file, needed, NOW)
    after = before.changed_by(one for one in rows if not one.held)
    for pair in needed:
        assert not jumps(before.current(*pair, NOW), after.current(*pair, NOW))


def test_a_rate_that_was_set_in_the_other_direction_is_held_with_its_pair() -> None:
    known = [
        row("EUR", "USD", "1.00", days=1),
        row("EUR", "GBP", "1.00", days=1),
        row("USD", "EUR", "1.00", days=6, source=MANUAL),
    ]
    added = publish(known, needed=(("USD", "GBP"),), USD="0.92", GBP="1.08")
    assert {pair for pair, (_, held) in added.items() if held} == {
        ("EUR", "USD"),
        ("USD", "EUR"),
        ("EUR", "GBP"),
    }


def test_a_held_rate_waits_until_a_newer_one_is_in_use() -> None:
    held = row("EUR", "USD", "1.30", days=1, held=True)
    rows = [row("EUR", "USD", "1.08", days=2), held]
    assert Rates.of(rows).waiting(("EUR", "USD"), NOW) == held.rate
    assert Rates.of([*rows, row("EUR", "USD", "1.09")]).waiting(("EUR", "USD"), NOW) is None
    accepted = row("EUR", "USD", "1.30", source=MANUAL)
    assert Rates.of([*rows, accepted]).waiting(("EUR", "USD"), NOW) is None


@pytest.mark.parametrize(
    "text", ["0.000000001", "1000000000", "0.85", "162", "1.123456789012345678"]
)
def test_plausible_rates_are_parsed_exactly(text: str) -> None:
    assert parse(text) == Decimal(text)
