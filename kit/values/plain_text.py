"""Which characters human-written text in any script may contain."""

import json
import unicodedata

# Control characters, lone surrogates, and separators of lines and paragraphs. Format characters such as
# joiners are accepted, because emoji, Persian and Indic scripts need them.
REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings and overrides, which reverse the text after them, even in a log or table.
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e")
# Isolates, which do so only if left open.
OPENING, CLOSING = frozenset("\u2066\u2067\u2068"), "\u2069"
# Bytes in UTF-8 of an identifier or a name from outside: 200 characters of any script. PostgreSQL refuses
# rows of more than 2,704 bytes in a btree index, and an index may have two such columns.
MAX_NAME = 800
# Bytes of any other text, such as a description or a link. No index contains it.
MAX_TEXT = 4_000
# Characters of a text that are quoted in a message.
MAX_QUOTED = 60


def problem(text: str) -> str | None:
    """Return what is wrong with a text, to follow a field's name; None if it is valid."""
    if text.isascii():
        return None if text.isprintable() else "must not contain control characters or line breaks"
    open_isolates = 0
    for character in text:
        if unicodedata.category(character) in REFUSED or _is_noncharacter(ord(character)):
            return "must not contain control characters or line breaks"
        if character in DIRECTIONS:
            return "must not contain characters that override the text direction"
        if character in OPENING:
            open_isolates += 1
        elif character == CLOSING:
            open_isolates -= 1
            if open_isolates < 0:
                break
    if open_isolates:
        return "must close every text direction isolate that it opens, and no others"
    return None


def storable(text: str) -> str:
    """Remove NUL and lone surrogates, which JSON may contain but PostgreSQL can't store."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


def from_json(value: object, most_bytes: int = MAX_NAME) -> str:
    """Return trimmed text that PostgreSQL can store, or the digits of a whole number, as ids may be either.

    Empty for anything else, and for what has more bytes than that.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    # Python refuses to write integers of over 4,300 digits. A digit has over three bits.
    if isinstance(value, int) and value.bit_length() > 4 * most_bytes:
        return ""
    found = storable(str(value)).strip()
    return found if len(found.encode()) <= most_bytes else ""


def fold(text: str) -> str:
    """Normalize text for comparisons: without case, accents, outer spaces and typographic apostrophes.

    "Côte d’Ivoire" becomes "cote d'ivoire".
    """
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").strip().casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def quoted(text: str) -> str:
    """Return a text of a caller in quotes, for a message: cut, and without odd characters."""
    shown = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."
    return json.dumps(shown, ensure_ascii=False)


def is_plain(text: str) -> bool:
    """True if a text contains no control characters, line breaks or direction overrides."""
    return problem(text) is None


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
