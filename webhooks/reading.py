"""Reads stored bodies: callbacks of the eSIM provider, and events of the payment provider."""

from collections.abc import Callable

from webhooks import understand
from webhooks.callback import Owner, Understood
from webhooks.stripe import event

# Types of both providers. Senders choose the type, so all others are counted as one.
KNOWN = understand.KNOWN | event.KNOWN


def reader(owner: Owner) -> Callable[[bytes], Understood]:
    """Return the function that reads the bodies of that owner's events."""
    return event.understand if owner is Owner.PAYMENTS else understand.understand


def read_stored(body: bytes, sender_event_id: str | None) -> Understood:
    """Read a stored body, which has the sender's id of the event only if it is the payment provider's."""
    return understand.understand(body) if sender_event_id is None else event.understand(body)
