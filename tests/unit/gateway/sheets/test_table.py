"""Reading of CSV: encodings, delimiters, line numbers, limits."""

import codecs

import pytest

from gateway.sheets import table
from kit.errors import Failure, Kind

NAMES = frozenset({"name", "email", "plan"})
TEXT = "name;email\r\nJürgen Müller;j@x.example\r\nZoë Łukaszewicz 山田太郎;y@x.example\r\n"
WESTERN = "name;email\r\nJürgen Müller;j@x.example\r\nFrançois Lévêque – €5;f@x.example\r\n"


def read(data: bytes, charset: str | None = None) -> table.Table:
    return table.read(data, NAMES.__contains__, charset)


def refused(data: bytes, charset: str | None = None) -> Failure:
    with pytest.raises(Failure) as raised:
        read(data, charset)
    assert raised.value.kind is Kind.INVALID
    return raised.value


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
    ],
)
def test_unicode_is_recognized(data: bytes, encoding: str) -> None:
    found = read(data)
    assert found.encoding == encoding
    assert found.header.cells == ("name", "email")
    assert [row.cells[0] for row in found.rows] == ["Jürgen Müller", "Zoë Łukaszewicz 山田太郎"]


@pytest.mark.parametrize("charset", [None, "windows-1252", "ISO-8859-1"])
def test_windows_1252_is_recognized(charset: str | None) -> None:
    found = read(WESTERN.encode("cp1252"), charset)
    assert (found.encoding, found.guessed) == ("Windows-1252", charset is None)
    assert [row.cells[0] for row in found.rows] == ["Jürgen Müller", "François Lévêque – €5"]


def test_icelandic_is_read_if_its_charset_is_declared() -> None:
    data = "name\r\nÞór Ýmisson\r\n".encode("cp1252")
    assert read(data, "windows-1252").rows[0].cells == ("Þór Ýmisson",)
    assert refused(data).reason == "SHEET_UNREADABLE"


def test_few_invalid_bytes_do_not_make_utf_8_another_encoding() -> None:
    data = TEXT.encode() + b"M\xfcller;m@x.example\r\n"
    failure = refused(data)
    assert failure.message.startswith("Line 4 is not valid UTF-8")


@pytest.mark.parametrize(
    ("data", "charset", "said"),
    [
        (b"PK\x03\x04rest of a workbook", None, "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", None, "workbook"),
        (b"name,email\r\na\0b,c\r\n", None, "zero bytes"),
        (b"name,email\r\nM\xfcller,c\r\n", "utf-8", "Line 2 is not valid UTF-8"),
        (b"name,email\r\n", "koi8-r", "charset"),
    ],
)
def test_what_is_no_csv_is_refused(data: bytes, charset: str | None, said: str) -> None:
    failure = refused(data, charset)
    assert failure.reason == "SHEET_UNREADABLE"
    assert said in failure.message


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = f'email{delimiter}name\r\na@x{delimiter}"Müller, Jr; | \t"\r\n'
    found = read(text.encode())
    assert found.delimiter == delimiter
    assert found.rows[0].cells == ("a@x", "Müller, Jr; | \t")


def test_a_header_with_other_delimiters_in_quotes_does_not_mislead() -> None:
    assert read(b'"a,b,c,d";name;email\n1;2;3\n').delimiter == ";"


def test_the_delimiter_that_excel_declares_counts() -> None:
    found = read(b"sep=;\r\nname;email\r\nx;y\r\n")
    assert found.delimiter == ";"
    assert (found.header.line, found.rows[0].line) == (2, 3)
    assert refused(b"sep=").reason == "SHEET_HEADER_MISSING"


def test_rows_know_their_line() -> None:
    text = 'name,email\n"two\nlines",a\n\n,,\nlast,b\r\nmore,c\rold,d'
    rows = read(text.encode()).rows
    assert [(row.line, row.cells[0]) for row in rows] == [
        (2, "two\nlines"),
        (6, "last"),
        (7, "more"),
        (8, "old"),
    ]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'name,email\nx,y\n"never closed,z\n1,2\n', "Line 3"),
        (b'name,email\n"a"b,c\n', "Line 2"),
        (b"name,email\n" + b"," * 200 + b"x\n", "Line 2"),
        (b"name,email\nx,y\n" + b"n" * 3_000 + b",z\n", "Line 3"),
    ],
)
def test_malformed_lines_are_named(data: bytes, line: str) -> None:
    failure = refused(data)
    assert failure.reason == "SHEET_MALFORMED"
    assert failure.message.startswith(line)


@pytest.mark.parametrize("delimiter", [b",", b";"])
def test_a_header_with_too_many_columns_is_refused_for_their_number(delimiter: bytes) -> None:
    failure = refused(delimiter.join([b"name"] + [b"x"] * 10_000) + b"\n")
    assert failure.message == "Line 1 has 10001 cells, and at most 100 are allowed"


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_long_cell_is_refused_for_its_length(quote: bytes) -> None:
    failure = refused(b"name,email\n" + quote + b"n" * 500_000 + quote + b",z\n")
    assert failure.message.startswith("Line 2 has a cell of more than 2000 characters")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"name,email\n", b"name\n , \n"])
def test_an_empty_sheet_is_refused(data: bytes) -> None:
    assert refused(data).reason == "SHEET_EMPTY"


def test_a_sheet_without_a_header_is_refused() -> None:
    assert refused(b"Jane,jane@x.example\n").reason == "SHEET_HEADER_MISSING"


def test_limits() -> None:
    thousand = b"name\n" + b"x\n" * 1_000
    assert len(read(thousand).rows) == 1_000
    failure = refused(thousand + b"y\n")
    assert failure.reason == "TOO_MANY_ROWS"
    assert "line 1002" in failure.message
    assert refused(b"name\n" + b"x" * 10 * 2**20).reason == "SHEET_TOO_LARGE"
