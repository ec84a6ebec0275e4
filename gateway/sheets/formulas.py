"""Cells that a spreadsheet program would execute as formulas, and how they are made harmless."""

import re

# A spreadsheet executes a cell that begins with one of these (CWE-1236). Line feeds and the full-width
# forms are read the same way by some programs.
EXECUTED = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
FORMULA = re.compile(f"[{EXECUTED}]")
# Where a cell begins with a formula. In most of Europe, Excel separates the cells of a CSV file by
# semicolons, so a cell begins after each one in a text too, even if the text is quoted. Apostrophes before
# the formula are counted too, so that a text that had some comes back as it was.
DANGEROUS = re.compile(f"^(?='*[{EXECUTED}])|(?<=;)(?=['\"]*[{EXECUTED}])")
NEUTRALIZED = re.compile(f"^'(?='*[{EXECUTED}])|(?<=;)'(?=['\"]*[{EXECUTED}])")


def is_formula(text: str) -> bool:
    """True if a spreadsheet program would execute a cell with this text."""
    return FORMULA.match(text) is not None


def neutralized(text: str) -> str:
    """Return the text for a cell that no spreadsheet program executes, with apostrophes if needed."""
    return DANGEROUS.sub("'", text)


def restored(text: str) -> str:
    """Return the text that `neutralized` was given."""
    return NEUTRALIZED.sub("", text)
