"""Which times of the provider are plausible, and the formats in which they are parsed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from kit.values import timestamps

AT = datetime(2026, 2, 3, 9, 12, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-02-03T09:12:44Z", AT),
        (" 2026-02-03T09:12:44Z\n", AT),
        ("2026-02-03T09:12:44", AT),
        ("2026-02-03 09:12:44", AT),
        ("2026-02-03T10:12:44+01:00", AT),
        ("2026-02-02T19:12:44-14:00", AT),
        ("2026-02-03T09:12:44.123456789Z", AT.replace(microsecond=123456)),
        ("2026-02-03t09:12:44z", AT),
        ("2026-02-03t09:12:44.123456789z", AT.replace(microsecond=123456)),
        ("2016-12-31t23:59:60z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2016, 12, 31, 23, 59, 59, 500000, UTC)),
        (1770109964000, AT),
        (Decimal("1770109964000"), AT),
    ],
)
def test_a_plausible_time_is_parsed_in_every_format(written: object, at: datetime) -> None:
    assert timestamps.from_provider(written) == at


@pytest.mark.parametrize(
    "written",
    [
        # Zero values of programs, and "never".
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2009-12-31T23:59:59Z",
        "0000-00-00T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999Z",
        # Outside the years 1 to 9999 once they are in UTC.
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "",
        "   ",
        "soon",
        "2026-02-30T00:00:00Z",
        "2026-02-03T25:00:00Z",
        "2026-02-03T09:12:44+99:99",
        "2026-02-03T09:12:61Z",
        "infinity",
        "-infinity",
        "NaN",
        "1770109964000",
        "2026-02-03T09:12:44." + "0" * 500,
        0,
        -1,
        1770109964,  # in seconds: 1970
        10**30,
        -(10**30),
        Decimal("1e1000000"),
        Decimal("NaN"),
        Decimal("Infinity"),
        True,
        None,
        [],
        {},
    ],
)
def test_any_other_time_is_unknown(written: object) -> None:
    assert timestamps.from_provider(written) is None


@given(st.text(max_size=80) | st.integers() | st.decimals() | st.floats() | st.booleans())
def test_no_input_raises_an_error_and_every_time_has_a_time_zone(written: object) -> None:
    found = timestamps.from_provider(written)
    assert found is None or found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "stored",
    [
        datetime.min,  # noqa: DTZ901 - what asyncpg returns for -infinity
        datetime.max,  # noqa: DTZ901 - what asyncpg returns for infinity
        AT.replace(tzinfo=None),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_an_implausible_stored_time_is_unknown(stored: datetime) -> None:
    assert timestamps.believable(stored) is None


def test_a_plan_may_end_years_ahead_and_no_later() -> None:
    now = datetime.now(UTC)
    assert timestamps.believable(now + timedelta(days=5 * 365)) is not None
    assert timestamps.believable(now + timedelta(days=11 * 365)) is None


def test_past_events_are_at_most_the_clock_tolerance_in_the_future() -> None:
    assert timestamps.happened(AT + timedelta(minutes=9), AT) == AT + timedelta(minutes=9)
    assert timestamps.happened(AT + timedelta(minutes=11), AT) is None
    assert timestamps.happened(AT - timedelta(days=900), AT) == AT - timedelta(days=900)
    assert timestamps.happened(None, AT) is None


@pytest.mark.parametrize("seconds", [-(10**15), 10**15, 253402300800, -62135596801])
def test_a_timestamp_message_outside_the_calendar_is_unknown(seconds: int) -> None:
    with pytest.raises(ValueError, match="years 1 and 9999"):
        timestamps.from_proto(Timestamp(seconds=seconds))
