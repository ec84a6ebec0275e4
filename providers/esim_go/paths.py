"""Paths of the provider's API: quoting of values, and templates without values."""

import re
from urllib.parse import quote

from kit.errors import invalid

# The fixed parts of the provider's paths are lower-case words. ICCIDs, references and bundle names contain
# a digit, a capital letter, a hyphen or an underscore.
FIXED_WORD = re.compile(r"[a-z]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SEPARATOR = re.compile(r"[/\\]")


def fits_segment(value: str) -> bool:
    """True if a decoding proxy can't resolve a value in a path to another path.

    False for one that is empty or only dots, contains a control character, or has a part "." or "..".
    """
    parts = SEPARATOR.split(value)
    odd = value.strip(".") == "" or "." in parts or ".." in parts
    return not odd and CONTROL.search(value) is None


def segment(value: str) -> str:
    """Quote a value for use as a segment of a path; a slash in it becomes %2F.

    Raises Failure INVALID unless it `fits_segment`.
    """
    if not fits_segment(value):
        raise invalid({"id": "must be a plain name or number"})
    return quote(value, safe="")


def template(path: str) -> str:
    """Return the path with `{}` for each value, for metrics and logs."""
    return "/".join(
        part if part == "" or FIXED_WORD.fullmatch(part) else "{}" for part in path.split("/")
    )
