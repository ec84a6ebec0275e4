"""What kind of callback a body is; pure, and never an error: a body nobody knows is 'unknown'."""

import json

UNKNOWN = "unknown"
# The provider's words and the platform's are far shorter; anything longer is nobody's.
LONGEST_TYPE = 80


def event_type(body: bytes) -> str:
    """The word of either vocabulary: `alertType` (Utilisation, ...) or `event` (esim.deleted, ...)."""
    try:
        # Without a limit on depth, a body of brackets would end as RecursionError.
        content = json.loads(body)
    except (ValueError, RecursionError):
        return UNKNOWN
    if not isinstance(content, dict):
        return UNKNOWN
    word = content.get("alertType") or content.get("event")
    if isinstance(word, str) and 0 < len(word) <= LONGEST_TYPE and word.isprintable():
        return word
    return UNKNOWN
