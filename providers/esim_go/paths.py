"""Paths of the provider's API: safe segments, and templates that name an endpoint without values."""

import re
from urllib.parse import quote

from kit.errors import invalid

# Every fixed word of the provider's paths is lower-case letters only; ICCIDs, references and
# bundle names hold a digit, a capital, a hyphen or an underscore.
FIXED_WORD = re.compile(r"[a-z]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SEPARATOR = re.compile(r"[/\\]")


def segment(value: str) -> str:
    """Quotes one value for use between two slashes of a path; a slash within it becomes %2F.

    Raises Failure INVALID for a value that a proxy which decodes it could resolve to another path:
    one that is empty or consists of dots, has a control character, or has a part "." or "..".
    """
    parts = SEPARATOR.split(value)
    if value.strip(".") == "" or CONTROL.search(value) or "." in parts or ".." in parts:
        raise invalid({"id": "must be a plain name or number"})
    return quote(value, safe="")


def template(path: str) -> str:
    """The path with `{}` for each value, for metrics and logs: few names, nothing personal."""
    return "/".join(
        part if part == "" or FIXED_WORD.fullmatch(part) else "{}" for part in path.split("/")
    )
