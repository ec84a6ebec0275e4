"""Values read from messages equal the completed values of the response."""

from datetime import datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.execution.columns import format_time
from kit.values import timestamps


@given(
    seconds=st.integers(-70_000_000_000, 260_000_000_000),
    nanos=st.one_of(st.integers(0, 10**9 - 1), st.integers(0, 10**6 - 1).map(lambda n: n * 1000)),
)
def test_a_time_is_formatted_like_its_datetime(seconds: int, nanos: int) -> None:
    stamp = Timestamp(seconds=seconds, nanos=nanos)
    try:
        moment: datetime = timestamps.from_proto(stamp)
    except ValueError:
        with pytest.raises((ValueError, OverflowError)):
            format_time(stamp)
    else:
        assert format_time(stamp) == timestamps.to_text(moment)


@pytest.mark.parametrize("nanos", [-1, 10**9])
def test_invalid_nanoseconds_are_refused(nanos: int) -> None:
    with pytest.raises(ValueError, match="not a valid number of nanoseconds"):
        format_time(Timestamp(nanos=nanos))
