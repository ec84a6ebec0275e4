"""Finds the character encoding of an uploaded sheet: UTF-8, UTF-16 or Windows-1252."""

import codecs
import re
from dataclasses import dataclass

from gateway.sheets import western
from kit.errors import Failure, Kind
from kit.values import plain_text

# Names that clients give in Content-Type. As in the WHATWG's list, ISO 8859-1 means Windows-1252.
CODECS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
}
NAMES = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF")
# Bytes at the beginning that are searched for the zero bytes of UTF-16.
PROBE = 4_096
# A character that is not ASCII, in text whose invalid bytes were replaced.
WHOLE = re.compile(r"[^\x00-\x7f\ufffd]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a sheet, the name of its encoding, and whether that was guessed from the words."""

    text: str
    encoding: str
    guessed: bool


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Return the text of a sheet and its encoding.

    `declared` is the charset that the client sent with it, if any. Raises Failure INVALID if the encoding
    is none of those supported.
    """
    if data.startswith(WORKBOOKS):
        raise _refused("The file is a workbook or document, not CSV; export it as CSV in UTF-8")
    codec = _declared(declared) if declared else _found(data)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refused(
            f"Line {line} is not valid {NAMES[codec]}; save the sheet as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise _refused("The file contains zero bytes, so it is no CSV; save it as CSV in UTF-8")
    guessed = codec == "cp1252" and not declared
    if guessed:
        _check_western(text)
    return Decoded(text.removeprefix("\ufeff"), NAMES[codec], guessed)


def _declared(charset: str) -> str:
    codec = CODECS.get(charset.strip().lower())
    if codec is None:
        raise _refused(
            "The charset of the sheet is not supported; save it as CSV in UTF-8, UTF-16 or"
            " Windows-1252"
        )
    return codec


def _found(data: bytes) -> str:
    for mark, marked in MARKS.items():
        if data.startswith(mark):
            return marked
    if (codec := _utf_16(data[:PROBE])) is not None:
        return codec
    try:
        data.decode()
    except UnicodeDecodeError:
        replaced = data.decode(errors="replace")
        # Few invalid bytes don't make text of UTF-8 another encoding.
        mostly_valid = len(WHOLE.findall(replaced)) >= replaced.count("\ufffd")
        return "utf-8-sig" if mostly_valid else "cp1252"
    return "utf-8-sig"


def _utf_16(beginning: bytes) -> str | None:
    """Return the codec of UTF-16 without a mark, which the zero bytes of ASCII characters reveal."""
    pairs = len(beginning) // 2
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    if odd > pairs / 5 > even * 4:
        return "utf-16-le"
    return "utf-16-be" if even > pairs / 5 > odd * 4 else None


def _check_western(text: str) -> None:
    """Raise Failure INVALID for text that may be of another encoding than Windows-1252."""
    doubtful = western.first_doubtful(text)
    if doubtful is not None:
        raise _refused(
            f"Line {doubtful.line} is not UTF-8, and may be misread as Windows-1252:"
            f" {plain_text.quoted(doubtful.text)}. Save the sheet as CSV in UTF-8, or declare its charset"
        )


def _refused(message: str) -> Failure:
    return Failure(Kind.INVALID, "SHEET_UNREADABLE", message)
