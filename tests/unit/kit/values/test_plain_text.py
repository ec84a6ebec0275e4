"""Text in any script is accepted, except for characters that break lines or reverse the direction of text."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Failure
from kit.values.checks import Checks
from kit.values.plain_text import MAX_NAME, from_json, is_plain, problem, storable

ACCEPTED = [
    "",
    "trip to Paris",
    "👨‍👩‍👧‍👦",  # a family: zero-width joiners
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",  # the flag of England: tag characters
    "❤️‍🔥 🏳️‍🌈 👩🏽‍🚀 🇫🇷 1️⃣",  # variation selectors, skin tones, keycaps
    "می‌خواهم",  # Persian: zero-width non-joiner
    "क्‍ष श्री",  # Devanagari: zero-width joiner
    "ශ්‍රී ലാല്‍",  # Sinhala and Malayalam
    "שלום\u200f!",  # a right-to-left mark
    "عربي\u061c 12",
    "\u2068Ann\u2069 and \u2067דנה\u2069",  # isolates that are closed
    "東京　出張",  # an ideographic space
    "12\u202f000\u00a0€",
    "co\u00adoperate",
    "\U0001fae8 \U0001fadc",  # newer than Python 3.11's tables
    "e\u0301 \u1100\u1161",
]
REFUSED = [
    "a\nb",
    "a\tb",
    "\x00",
    "\x1b[31mred",
    "\x7f",
    "\x85",
    "\x9b31m",
    "a\u2028b",
    "a\u2029b",
    "\ud83d",
    "\udc00x",
    "\u202egpj.exe",
    "\u202dx\u202c",
    "\u202ax\u202c",
    "\u202bx\u202c",
    "\u2066never closed",
    "closed\u2069 only",
    "\u2069\u2066",
    "\ufffe",
    "\U0001ffff",
    "\ufdd0",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_ordinary_text_is_accepted(text: str) -> None:
    assert is_plain(text)
    checks = Checks()
    assert checks.free_text("reference", f" {text} ", 100) == text.strip()
    checks.done()


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_characters_that_break_lines_or_reverse_text_are_refused(text: str) -> None:
    assert not is_plain(text)
    checks = Checks()
    checks.free_text("reference", f"a{text}b", 100)
    with pytest.raises(Failure) as caught:
        checks.done()
    assert caught.value.fields["reference"].startswith("must ")


def test_every_character_of_every_script_is_decided_by_its_category() -> None:
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category[0] in "LMNPS" or category == "Zs":
            assert is_plain(chr(code)), hex(code)
        elif category in ("Cc", "Cs", "Zl", "Zp"):
            assert not is_plain(chr(code)), hex(code)


@given(st.text())
def test_accepted_text_can_be_stored_and_stays_in_its_line(text: str) -> None:
    if problem(text) is None:
        assert text.encode().decode() == text
        assert len(text.splitlines()) <= 1


def test_the_length_is_that_of_the_trimmed_text_in_code_points() -> None:
    for text, fits in (("👍" * 100, True), ("👍" * 101, False), ("  " + "é" * 100 + "  ", True)):
        checks = Checks()
        checks.free_text("reference", text, 100)
        assert (not checks.problems) is fits


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\x00b", "ab"),
        ("\x00", ""),
        ("1 GB\ud83d", "1 GB"),
        ("\ude00é\n", "é\n"),
        ("👨‍👩‍👧", "👨‍👩‍👧"),
    ],
)
def test_characters_that_postgresql_refuses_are_removed(text: str, stored: str) -> None:
    assert storable(text) == stored


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (" esim_1GB\x00 ", "esim_1GB"),
        (215, "215"),
        (-7, "-7"),
        ("🌍" * 200, "🌍" * 200),
        (10**799, str(10**799)),
        *(("🌍" * 201, ""), ("x" * 801, ""), (10**800, ""), (10**5_000, "")),
        *((True, ""), (None, ""), (7.5, ""), (["x"], "")),
    ],
    ids=lambda value: (
        f"{str(value)[:9]}" if not isinstance(value, int) else f"{value.bit_length()} bits"
    ),
)
def test_a_name_from_json_is_text_or_a_number_of_at_most_800_bytes(
    value: object, read: str
) -> None:
    assert from_json(value) == read
    assert len(read.encode()) <= MAX_NAME


def test_other_texts_may_be_longer() -> None:
    assert from_json("🌍" * 1_000, 4_000) == "🌍" * 1_000
    assert from_json("🌍" * 1_000 + "x", 4_000) == ""
