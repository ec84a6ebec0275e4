"""The form of ICCIDs in all messages: 18 to 22 ASCII digits, however a person or a program writes them."""

import re
import unicodedata
from decimal import Decimal
from typing import Any, Protocol

FORM = re.compile(r"[0-9]{18,22}", re.ASCII)
# Longer text is not an ICCID, not even one with a separator after each digit.
MAX_CHARACTERS = 64
# Spaces of any kind, dashes of any kind, and invisible format characters that come with a copied text.
SEPARATORS = frozenset({"Zs", "Pd", "Cf"})
OTHER_SEPARATORS = frozenset("\t\r\n\N{MINUS SIGN}")
# A program that reads a JSON number as a float keeps 17 of its digits and writes zeros for the others.
EXACT_DIGITS = 17


class Problems(Protocol):
    """Collects what is wrong with the fields of a request."""

    def fail(self, field: str, text: str) -> None:
        """Note a problem of a field."""


def check(problems: Problems, field: str, text: str) -> str:
    """Return the digits of an ICCID in a request; what is not one is a problem of the field."""
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
    """Return the digits of an ICCID that JSON holds as text or as a whole number, or an empty string."""
    if isinstance(value, str):
        return normalize(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    # A Decimal of JSON may have any exponent: don't write out a number of a million digits.
    if not 10**17 <= value < 10**22 or value != int(value):
        return ""
    return str(int(value))


def is_exact(value: Any) -> bool:
    """True if no digit of an ICCID in JSON can have been lost: text, or a number beyond a float's digits."""
    return isinstance(value, str) or set(from_json(value)[EXACT_DIGITS:]) != {"0"}


def _plain(character: str) -> str:
    if character in OTHER_SEPARATORS or unicodedata.category(character) in SEPARATORS:
        return ""
    digit = unicodedata.decimal(character, None)
    return character.upper() if digit is None else str(digit)
