"""Stored answers by idempotency key, for 24 hours of the sandbox's clock."""

from dataclasses import dataclass

from sandbox.payments.errors import ApiError
from sandbox.payments.state.clock import DAY, Clock

LIFETIME = DAY
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status and JSON text."""

    status: int
    text: str
    request_id: str


@dataclass
class _Entry:
    created: float
    fingerprint: str
    answer: Answer | None = None


class KeyStore:
    """Idempotency keys; a key without an answer belongs to a request that is still executing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def replay(self, key: str, fingerprint: str) -> Answer | None:
        """Return the stored answer, or None for a new key.

        Raises ApiError for another request with the same key, and for a request still executing.
        """
        if len(key) > LONGEST_KEY:
            message = f"Idempotency keys can be up to {LONGEST_KEY} characters long."
            raise ApiError(400, message, kind="idempotency_error")
        self._prune()
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.fingerprint != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same endpoint and parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to execute a "
                "different request."
            )
            raise ApiError(400, message, kind="idempotency_error")
        if entry.answer is None:
            message = (
                "There is currently another in-progress request using this Idempotency-Key (that probably "
                "means you submitted twice, and the other request is still going through). Please try "
                "again later."
            )
            raise ApiError(409, message, kind="idempotency_error", code="idempotency_key_in_use")
        return entry.answer

    def begin(self, key: str, fingerprint: str) -> None:
        """Reserve a key for a request that starts executing."""
        self._entries[key] = _Entry(self._clock.exact(), fingerprint)

    def finish(self, key: str, answer: Answer | None) -> None:
        """Store the answer; None releases the key, so that a retry executes."""
        if answer is None:
            self._entries.pop(key, None)
        elif entry := self._entries.get(key):
            entry.answer = answer

    def __len__(self) -> int:
        return len(self._entries)

    def _prune(self) -> None:
        # Entries are in the order of their creation.
        oldest = self._clock.exact() - LIFETIME
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.created > oldest:
                return
            del self._entries[key]
