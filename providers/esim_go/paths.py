"""Paths of the provider's API: quoting of values, and templates without values."""

import re
from urllib.parse import quote

from kit.errors import invalid

# The fixed parts of the provider's paths are lower-case words. ICCIDs, references and bundle names contain
# a digit, a capital letter, a hyphen or an underscore.
FIXED_WORD = re.compile(r"[a-z]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SEPARATOR = re.compile(r"[/\\]")


def segment(value: str) -> str:
    """Quote a value for use as a segment of a path; a slash in it becomes %2F.

    Raises Failure INVALID for a value that a decoding proxy could resolve to another path: one that is
    empty or only dots, contains a control character, or has a part "." or "..".
    """
    parts = SEPARATOR.split(value)
    if value.strip(".") == "" or CONTROL.search(value) or "." in parts or ".." in parts:
        raise invalid({"id": "must be a plain name or number"})
    return quote(value, safe="")


def template(path: str) -> str:
    """Return the path with `{}` for each value, for metrics and logs."""
    return "/".join(
        part if part == "" or FIXED_WORD.fullmatch(part) else "{}" for part in path.split("/")
    )
