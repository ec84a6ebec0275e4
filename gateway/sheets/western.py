"""Decides whether text that was read as Windows-1252 is of a Western language, or of another encoding.

Almost any bytes are valid Windows-1252, so Czech, Latvian or Chinese names would be read as other letters.
Each word must therefore be spelled as in a Western language. If another encoding turns words into spellings
of its own languages too, the text is ambiguous: it is doubtful, unless one word rules that encoding out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

V = "[aeiouyáâãäåèéêëíîóôõöúûüýāēīūėěůőű]"
K = "[bcdfghjklmnpqrstvwxzčďňřšťžľćńśļņķ]"
# Ends of cells, and the length of the piece of text that is quoted.
ENDS = '\n\r;,\t|"'
MAX_PIECE = 60
# Words, and signs that belong to no word.
TOKEN = re.compile(r"[^\W\d_ªº]+|[^\x00-\x7f]")
UPPER_INSIDE = re.compile(r"[a-zß-öø-ÿœšž][À-ÖØ-ÞŒŠŽŸ]")
# Two such letters in a row are rare in Western words, and three are none.
RUN = re.compile(r"[^\W\d_a-z]{2,}")
PAIR = re.compile(r"[äöü][äöüß]|ç[ãõ]|[áéíóú][ñšž]|[ñšž][áéíóú]")
L = r"[^\W\d_]"
OPENING, CLOSING = "„“‘«", "“”‘’»"
# Signs where Western texts have them: of currencies and sections at numbers, apostrophes after short words.
SIGN = re.compile(
    r"(?<=[\s\d])[–—](?=[\s\d])|(?<=\w)[–—](?=[A-ZÀ-Þ\d])"
    rf"|(?<=(?<!{L})[cdjlmnst])’(?={L})|(?<={L})’(?=[A-ZÀ-Þ]|s(?!\w))"
    rf"|(?<!{L})€(?!{L})|£(?=\s?\d)|§(?=\s?\d)|(?<!{L})[©±•·](?!{L})|(?<=[\w\s])[™®](?!{L})"
    r"|(?<=[\dnN])[°º](?!\w)|(?<=\d)ª(?!\w)|(?<=\w)…(?!\w)|(?<=[\d.«€])\xa0|\xa0(?=[\d»€%])"
)
# Quotes around words, which are in one cell.
QUOTED = re.compile(rf"(?<!{L})[{OPENING}][^{ENDS}{OPENING}{CLOSING}]{{1,200}}[{CLOSING}](?!{L})")


def _spelling(*letters: str) -> re.Pattern[str]:
    """Return a pattern of words of ASCII letters and of `letters`, which are patterns with their contexts."""
    # Atomic: each of them is one letter, so there is nothing to try again, and long words take linear time. A
    # possessive `++` says the same, but Python before 3.11.5 fails to match it.
    return re.compile(f"(?>(?:[a-z]|{'|'.join(letters)})+)")


def _vowel(letters: str) -> str:
    return f"(?<!{V})[{letters}](?!{V})"


def _consonant(letters: str) -> str:
    """Return a pattern of consonants, which don't stand between two others or after one at the end."""
    return f"(?:(?<![^\\W])[{letters}]|(?<={V})[{letters}](?![rv]es?(?!.))|[{letters}](?={V}))"


WESTERN = (
    _spelling("[äöü]", "é", "(?<=[aeiouäöü])ß"),  # German
    # Spanish and Hungarian, and Portuguese
    _spelling("[áéóúöü]", f"(?<!{V})í", f"(?<=[aeou])í(?!{V})", f"ñ(?={V})"),
    _spelling("[áâéêíóôú]", "ç(?=[aouãõáóú])", "ã(?=[oe])", "õ(?=e)"),
    # French, and Dutch
    _spelling(
        "[éêâîôûäöü]",
        f"(?<![aeoué])è(?={K})",
        "(?<=[aeiouyé])ë",
        "(?<=[aeouyé])ï(?![aiouy])",
        "œ(?=u)",
        "ç(?=[aouôâ])",
        "(?<!.)à(?!.)",
    ),
    _spelling("(?<=[bcdfghlmnpqrstvz])[àèìòù](?!.)"),  # Italian
    _spelling("[åäöé]"),  # Swedish and Finnish
    _spelling("[åé]", _vowel("øæ")),  # Danish and Norwegian
    # Turkish and Czech words whose letters have the same bytes in their own encodings
    _spelling("[çöüâ]"),
    _spelling("[áéíóúöüäô]", _consonant("šž")),
)
# The spellings of the languages of other encodings, as far as Western words can be mistaken for them.
OTHERS = {
    "cp1250": (
        # Czech and Slovak
        _spelling(
            "[áäéíóôúýö]",
            _consonant("čňšťžľ"),
            f"(?<={V})ď(?={V}|[kmnr])",
            f"(?<!.)ď|ď(?={V})",
            f"(?<={V})ř",
            "(?<!.)ř(?!r)",
            f"(?<=[ptkbdvhgcz])ř(?={V}|[tvn])",
            f"(?<={K})ě(?![aeiouy])",
            f"(?<=[a-zčďňřšťžľ])ů(?!{V})",
            f"(?<={K})[ĺŕ](?={K})",
        ),
        # Polish
        _spelling(
            "[ó]",
            "(?<![aeouy])ę(?![aeiouy])",
            "[ćńśź](?![aeouyó])(?<=[aeiouy].)",
            "(?<!.)[ćś](?![aeouy])",
        ),
        _spelling("[áéíóöúü]", _vowel("őű")),  # Hungarian
        _spelling(_consonant("čćšž"), "đ", "(?<=[bcdfghjkmpstvz]r)č"),  # Croatian and Slovene
    ),
    "cp1257": (
        # Latvian, whose names end in a vowel or s, and Lithuanian
        re.compile(
            r"(?!.*(?:[qwxy]|ch))(?>(?:[a-z]|(?<![aeoāēīū])[āēīū](?![aeiouāēīū])"
            rf"|{_consonant('čšžģ')}|(?:(?<={V})|(?<!.)|(?<=š))ķ(?={V})|ļ(?![sc])|ņ(?!r))+)"
            "(?<=[aeiouāēīūsš])"
        ),
        re.compile(
            rf"(?!.*(?:[qwx]|ch))(?>(?:[a-z]|(?<!{V})[ėū](?!{V})|(?<!.)ą|(?<={K})ą(?={K})|ų(?!.)"
            rf"|{_consonant('čšž')})+)"
            "(?<=[aeiouyėsūų])"
        ),
    ),
    "cp850": (
        _spelling("[äöü]", f"(?<=[aeiouäöü])ß(?={V}|t?(?!.)|[mnlbk]{V})"),  # German
    ),
}


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A piece of text that may have been written in another encoding, and its line, beginning with 1."""

    line: int
    text: str


def first_doubtful(text: str) -> Doubtful | None:
    """Return the first piece of text that may have been written in another encoding, if there is one."""
    places: dict[str, int] = {}
    text = QUOTED.sub(lambda found: f'"{found[0][1:-1]}"', text)
    for found in TOKEN.finditer(text):
        piece = found[0]
        if piece.isascii():
            continue
        letters = piece[0].isalpha() and piece not in "ªº"
        if letters and piece in places:
            continue
        if not (_is_western(piece) if letters else SIGN.match(text, found.start())):
            return _around(text, found.start())
        if letters:
            places[piece] = found.start()
    words = (_doubtful(places, encoding, spellings) for encoding, spellings in OTHERS.items())
    return next((_around(text, places[word]) for word in words if word), None)


def _around(text: str, place: int) -> Doubtful:
    """Return the cell at a place, or a piece of it."""
    begin = max(text.rfind(end, 0, place) for end in ENDS) + 1
    begin = begin if place - begin < MAX_PIECE else place
    piece = re.split(f"[{ENDS}]", text[begin : begin + MAX_PIECE], maxsplit=1)[0].strip()
    return Doubtful(text.count("\n", 0, place) + 1, piece)


def _doubtful(
    words: Iterable[str], encoding: str, spellings: Sequence[re.Pattern[str]]
) -> str | None:
    """Return the first word that is another one in an encoding; None if one rules the encoding out."""
    first = None
    for word in words:
        other = word.encode("cp1252").decode(encoding, "replace")
        if other == word:
            continue
        if not _is_spelled(other, spellings):
            return None
        first = first or word
    return first


def _is_western(word: str) -> bool:
    runs = RUN.findall(word.lower())
    return all(map(PAIR.fullmatch, runs)) and _is_spelled(word, WESTERN)


def _is_spelled(word: str, spellings: Iterable[re.Pattern[str]]) -> bool:
    # A word in small letters doesn't begin with š: that is an Ü of MS-DOS.
    if UPPER_INSIDE.search(word) or word[0] in "šž":
        return False
    lower = word.lower()
    return any(spelling.fullmatch(lower) for spelling in spellings)
