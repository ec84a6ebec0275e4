"""The provider's rate-limit headers: the window's end, counts, and when to retry."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from providers.esim_go.limits import RateWindow, retry_after
from tests.fixtures.stepped_clock import START


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("2026-03-01T12:00:00.500Z", 0.5),
        ("2026-03-01T13:00:00.25+01:00", 0.25),
        ("2026-03-01T12:00:00.123456789Z", 0.123456),
        ("2026-03-01T12:00:01", 1.0),
        ("2026-03-01T11:59:59Z", -1.0),  # in the past
        ("2026-03-02T12:00:00Z", None),  # no window lasts a day
        ("1772366400", None),
        ("", None),
    ],
)
def test_the_reset_must_be_an_iso_time_near_now(reset: str, seconds: float | None) -> None:
    assert RateWindow.read({"X-Ratelimit-Reset": reset}, START).resets_in == seconds


def test_a_wrong_clock_is_corrected_by_the_date_of_the_response() -> None:
    theirs = START + timedelta(minutes=5)
    headers = {
        "Date": format_datetime(theirs, usegmt=True),
        "X-Ratelimit-Reset": (theirs + timedelta(seconds=1)).isoformat(),
    }
    assert RateWindow.read(headers, START).resets_in == 1.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("99999999", 60.0),
        ("inf", 60.0),
        ("1e400", 60.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 01 Mar 2026 12:00:10 GMT", 10.0),
        ("Mon, 02 Mar 2026 12:00:00 GMT", 60.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
        ("Sat, 28 Feb 2026 12:00:00 GMT", 0.0),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}, START) == seconds


def test_the_maximum_pause_is_that_of_the_caller() -> None:
    assert retry_after({"Retry-After": "99"}, START, 10.0) == 10.0
    assert retry_after({"Retry-After": "99"}, START, 86_400.0) == 99.0


HUGE_YEAR = "Mon, 20 Nov 99999999999999999999 19:12:08 GMT"


def test_a_date_with_an_impossible_year_is_ignored() -> None:
    assert retry_after({"Retry-After": HUGE_YEAR}, START) is None
    headers = {"Date": HUGE_YEAR, "X-Ratelimit-Reset": "2026-03-01T12:00:01Z"}
    assert RateWindow.read(headers, START).resets_in == 1.0


@pytest.mark.parametrize("text", ["ten", "", "-1", "1.5", "9999999999", "9" * 400])
def test_invalid_counts_are_ignored(text: str) -> None:
    names = ("X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Cost")
    window = RateWindow.read(dict.fromkeys(names, text), START)
    assert (window.limit, window.remaining, window.cost) == (None, None, None)
