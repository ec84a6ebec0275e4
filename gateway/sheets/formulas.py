"""Cells that a spreadsheet program would execute as formulas, and how they are made harmless."""

import re

# A spreadsheet executes a cell that begins with one of these (CWE-1236). Line feeds and the full-width
# forms are read the same way by some programs.
EXECUTED = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
# Apostrophes before it are counted too, so that a text that had some comes back as it was.
DANGEROUS = re.compile(f"'*[{EXECUTED}]")
NEUTRALIZED = re.compile(f"'+[{EXECUTED}]")


def is_formula(text: str) -> bool:
    """True if a spreadsheet program would execute a cell with this text."""
    return DANGEROUS.match(text) is not None and not text.startswith("'")


def neutralized(text: str) -> str:
    """Return the text for a cell that no spreadsheet program executes, with an apostrophe if needed."""
    return f"'{text}" if DANGEROUS.match(text) else text


def restored(text: str) -> str:
    """Return the text that `neutralized` was given."""
    return text[1:] if NEUTRALIZED.match(text) else text
