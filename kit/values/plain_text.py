"""Text as people write it, in any script: which characters it may hold."""

import unicodedata

# Control characters, halves of surrogate pairs, and the separators of lines and paragraphs. Everything else
# is accepted: joiners and other format characters that emoji, Persian and Indic scripts need, every kind of
# space, and characters that are newer than this Python's tables.
REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings and overrides turn the text around that stands after them, in a log or a table too.
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e")
# Isolates do so only where one is left open.
OPENING, CLOSING = frozenset("\u2066\u2067\u2068"), "\u2069"


def problem(text: str) -> str | None:
    """Return why a text can't be accepted, to follow a field's name; None if it can."""
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
    """Return a text without NUL and halves of surrogate pairs: JSON may hold them, PostgreSQL can't."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


def is_plain(text: str) -> bool:
    """True if a text holds no control characters, line breaks or overrides of its direction."""
    return problem(text) is None


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
