"""Times of arguments that no service can be sent end a command with an explanation."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import click
import pytest

from cli.errors import CommandError
from cli.operators.moments import stamp
from cli.operators.options import DAY, MOMENT, MONTH
from kit.values import timestamps


def test_a_time_is_in_utc_or_in_the_zone_of_this_machine() -> None:
    assert stamp(None) is None
    known = stamp(datetime.fromisoformat("2026-01-01T01:00:00+01:00"))
    assert known is not None
    assert timestamps.from_proto(known) == datetime(2026, 1, 1, tzinfo=UTC)
    naive = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - as an argument without a zone is read
    local = stamp(naive)
    assert local is not None
    assert timestamps.from_proto(local) == naive.astimezone(UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-02T10:15:03.418220Z",
        "2026-02-02t10:15:03.41822z",
        "2026-02-02 11:15:03.418220999+01:00",
    ],
)
def test_a_time_is_accepted_as_json_and_the_apis_print_it(text: str) -> None:
    expected = datetime(2026, 2, 2, 10, 15, 3, 418220, tzinfo=UTC)
    assert MOMENT.convert(text, None, None) == expected
    for kind in (DAY, MONTH):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)


@pytest.mark.parametrize(
    "text", ["2026-02-31T10:15:03Z", "2026-02-02T10:15Q", "0000-01-01T00:00:00Z"]
)
def test_what_is_no_time_shows_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 2026-11-30"):
        MOMENT.convert(text, None, None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"])
def test_a_time_out_of_range_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match=r"is out of range: give a time within the years 2 to"):
        stamp(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    "arguments",
    [
        ("webhooks", "list", "--since", "0001-01-01"),
        ("payments", "list", "--until", "0001-01-01"),
        ("books", "check", "--since", "0001-01-01"),
        ("coupons", "create", "AAA", "--percent", "10", "--ends", "0001-01-01"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_name_the_time_instead_of_a_traceback(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env={**os.environ, "TZ": "Asia/Tokyo", "SUPABASE_SERVICE_ROLE_KEY": "key"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "0001-01-01T00:00:00 is out of range" in done.stderr
    assert done.returncode == 1
