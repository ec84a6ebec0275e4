"""Normalization of ICCIDs to the form of all messages: 18 to 22 ASCII digits."""

import re
import unicodedata
from decimal import Decimal
from typing import Any, Protocol

FORM = re.compile(r"[0-9]{18,22}", re.ASCII)
# Longer than an ICCID with a separator after each digit.
MAX_CHARACTERS = 64
# All kinds of spaces and dashes, and invisible format characters of copied text.
SEPARATORS = frozenset({"Zs", "Pd", "Cf"})
OTHER_SEPARATORS = frozenset("\t\r\n\N{MINUS SIGN}")
# A program that reads a JSON number as a float keeps 17 of its digits and writes zeros for the others.
EXACT_DIGITS = 17


class Problems(Protocol):
    """Collects what is wrong with the fields of a request."""

    def fail(self, field: str, text: str) -> None:
        """Note a problem of a field."""


def check(problems: Problems, field: str, text: str) -> str:
    """Return the digits of an ICCID in a request, or add a problem of the field."""
    digits = normalize(text)
    if not digits:
        problems.fail(field, "must be an ICCID: 18 to 22 digits")
    return digits


def normalize(text: str) -> str:
    """Return the digits of an ICCID, or an empty string if `text` is not one.

    Removes spaces and dashes, and the `F` that fills the last half byte where a SIM stores an odd
    number of digits. Digits of other scripts become ASCII digits.
    """
    if len(text) > MAX_CHARACTERS:
        return ""
    digits = "".join(map(_plain, text)).rstrip("F")
    return digits if FORM.fullmatch(digits) else ""


def from_json(value: Any) -> str:
    """Return the digits of an ICCID in JSON, given as text or as an integer, or an empty string."""
    if isinstance(value, str):
        return normalize(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    # Check the range first, because a Decimal may have any exponent.
    if not 10**17 <= value < 10**22 or value != int(value):
        return ""
    return str(int(value))


def is_exact(value: Any) -> bool:
    """True if an ICCID in JSON is text, or a number that was not rounded to a float."""
    return isinstance(value, str) or set(from_json(value)[EXACT_DIGITS:]) != {"0"}


def _plain(character: str) -> str:
    if character in OTHER_SEPARATORS or unicodedata.category(character) in SEPARATORS:
        return ""
    digit = unicodedata.decimal(character, None)
    return character.upper() if digit is None else str(digit)
