"""The European Central Bank's daily file: what is read, and what is refused."""

from datetime import date
from decimal import Decimal

import pytest

from services.catalogue.prices.ecb import MAX_BYTES, UnusableFileError, read

TODAY = date(2026, 11, 27)
IMPOSSIBLE = [
    "0", "0.0", "-1.08", "NaN", "nan", "Infinity", "1e3", "1E999", "1e-999", "1,08", "+1", "0x10", "1_000",
    "١", "1.", ".5", "1.0.0", "0.0000000001", "1000000001", "N/A", "", " ", "9" * 400,
]  # fmt: skip
FILE = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
    xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube>{days}</Cube>
</gesmes:Envelope>"""


def file(*rows: str, day: str = "2026-11-27", head: str = "") -> bytes:
    """Return a file with one day; each row has the form USD=1.08."""
    cubes = "".join("<Cube currency='{}' rate='{}'/>".format(*row.split("=", 1)) for row in rows)
    text = FILE.replace("{days}", f"<Cube time='{day}'>{cubes}</Cube>")
    return text.replace("?>", "?>" + head, 1).encode()


def rates(*rows: str) -> dict[str, Decimal]:
    return dict(read(file(*rows), TODAY).rates)


def test_rates_are_read_exactly() -> None:
    found = read(file("USD=1.0829", "JPY=162.05", "IDR=17150.123456789012"), TODAY)
    assert found.day == TODAY
    assert {code: str(rate) for code, rate in found.rates.items()} == {
        "USD": "1.0829",
        "JPY": "162.05",
        "IDR": "17150.123456789012",
    }
    assert found.problems == []


@pytest.mark.parametrize("rate", IMPOSSIBLE)
def test_a_row_with_an_impossible_rate_is_skipped_and_reported(rate: str) -> None:
    found = read(file("USD=1.0829", f"GBP={rate}", "JPY=162"), TODAY)
    assert set(found.rates) == {"USD", "JPY"}
    (problem,) = found.problems
    assert "GBP" in problem
    assert len(problem) < 60


def test_rows_without_currency_or_rate_are_reported() -> None:
    body = file("USD=1.08").replace(b"</Cube>", b"<Cube rate='2'/><Cube currency='GBP'/></Cube>", 1)
    found = read(body, TODAY)
    assert set(found.rates) == {"USD"}
    assert len(found.problems) == 2


@pytest.mark.parametrize("code", ["us", "USDX", "<>", "usd", "12A"])
def test_what_is_no_currency_code_is_reported(code: str) -> None:
    escaped = code.replace("<", "&lt;")
    found = read(file("GBP=0.85", f"{escaped}=1"), TODAY)
    assert set(found.rates) == {"GBP"}
    assert len(found.problems) == 1


def test_unknown_currencies_and_the_euro_itself_are_ignored() -> None:
    found = read(file("GBP=0.85", "QQQ=3", "EUR=1", "DEM=1.95583"), TODAY)
    assert (set(found.rates), found.problems) == ({"GBP"}, [])


def test_a_currency_with_two_rates_is_skipped_and_a_repeated_row_is_not() -> None:
    found = read(file("USD=1.08", "GBP=0.85", "USD=1.09", "USD=1.08", "GBP=0.85"), TODAY)
    assert set(found.rates) == {"GBP"}
    assert found.problems == ["USD has several rates"] * 2


def test_of_several_days_the_newest_is_read() -> None:
    days = "".join(
        f"<Cube time='2026-11-{day}'><Cube currency='USD' rate='1.{day}'/></Cube>"
        for day in (25, 27, 26)
    )
    found = read(FILE.replace("{days}", days).encode(), TODAY)
    assert (found.day.day, found.rates["USD"]) == (27, Decimal("1.27"))


def test_a_file_of_another_encoding_is_read() -> None:
    text = file("USD=1.08").decode().replace("UTF-8", "UTF-16")
    assert read(text.encode("utf-16"), TODAY).rates == {"USD": Decimal("1.08")}


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(10)
)


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE x>",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'http://127.0.0.1/'>]>",
        "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1/'>%p;]>",
        BOMB + "]>",
    ],
)
def test_a_document_type_is_refused(head: str) -> None:
    with pytest.raises(UnusableFileError, match="document type"):
        read(file("USD=1.08", head=head), TODAY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"<html>maintenance",
        b"<html><p>maintenance</p></html>",
        b'{"rates": {}}',
        file("USD=1.08")[:-20],
        file("USD=1.08") + b"<more/>",
        file("USD=&e;"),
        file("USD=1.08").replace(b"UTF-8", b"no-such-encoding"),
        b"\xff\xfe\x00",
        FILE.replace("{days}", "").encode(),
        FILE.replace("{days}", "<Cube currency='USD' rate='1.08'/>").encode(),
        file(),
        file("USD=0", "GBP=-1"),
        file("QQQ=1"),
        b"<Cube>" * 100_000,
        b"<a " + b"b='c' " * 50_000 + b"/>",
    ],
    ids=range(17),
)
def test_a_body_without_usable_rates_is_refused(body: bytes) -> None:
    assert len(body) < MAX_BYTES
    with pytest.raises(UnusableFileError) as refused:
        read(body, TODAY)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "day", ["", "today", "2026-13-01", "27.11.2026", "2026-11-27T00:00:00", "0"]
)
def test_a_day_that_is_no_date_is_refused(day: str) -> None:
    with pytest.raises(UnusableFileError, match="not a date"):
        read(file("USD=1.08", day=day), TODAY)


@pytest.mark.parametrize("day", ["2026-11-28", "2027-11-27", "9999-12-31"])
def test_a_day_in_the_future_is_refused(day: str) -> None:
    with pytest.raises(UnusableFileError, match="future"):
        read(file("USD=1.08", day=day), TODAY)


@pytest.mark.parametrize(
    ("odd", "problem"),
    [("27.11.2026", "not a date"), ("2027-11-27", "2027-11-27 is in the future")],
)
def test_an_odd_day_hides_no_other_day(odd: str, problem: str) -> None:
    days = "".join(
        f"<Cube time='{day}'><Cube currency='USD' rate='{rate}'/></Cube>"
        for day, rate in (("2026-11-25", "1.25"), (odd, "9"), ("2026-11-26", "1.26"), (odd, "8"))
    )
    found = read(FILE.replace("{days}", days).encode(), TODAY)
    assert (found.day.day, found.rates) == (26, {"USD": Decimal("1.26")})
    assert problem in found.problems[0]


def test_a_day_up_to_four_days_ago_is_read_and_an_older_one_refused() -> None:
    assert read(file("USD=1.08", day="2026-11-23"), TODAY).day == date(2026, 11, 23)
    for day in ("2026-11-22", "1999-01-04", "0001-01-01"):
        with pytest.raises(UnusableFileError, match="over 4 days ago"):
            read(file("USD=1.08", day=day), TODAY)
