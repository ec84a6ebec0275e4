"""How many WebSockets, or event streams, are open: of the process, of an address and of a user."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kit.errors import Failure, Kind
from kit.http.refusals import refused

# Seconds after which a client may try again; another one may have gone by then.
RETRY_AFTER = 1.0


class ConnectionLimits:
    """Counts what is open of one kind; `kind` names it in messages, such as `WebSockets`."""

    def __init__(self, kind: str, bound: str, most: int, per_address: int, per_user: int) -> None:
        self._kind = kind
        self._bound = bound
        self._most = {"process": most, "address": per_address, "user": per_user}
        self._held: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def of(self, address: str | None) -> Iterator[None]:
        """Hold a place of the process and of an address; raise Failure EXHAUSTED without one.

        Without an address, as of a proxy's many clients, only those of the process count.
        """
        with self._one("process", ""):
            if address is None:
                yield
            else:
                with self._one("address", address):
                    yield

    @contextmanager
    def of_user(self, user: str) -> Iterator[None]:
        """Hold a place of a user; raise Failure EXHAUSTED without one."""
        with self._one("user", user):
            yield

    @contextmanager
    def _one(self, whose: str, key: str) -> Iterator[None]:
        held, most = (whose, key), self._most[whose]
        if self._held[held] >= most:
            refused(f"{whose}_{self._bound}")
            holder = {"process": "This process", "address": "Your IP address"}
            words = (
                f"{holder.get(whose, 'This user')} already has {most} open {self._kind}; close"
                " one, or try again later"
            )
            kind = Kind.UNAVAILABLE if whose == "process" else Kind.EXHAUSTED
            raise Failure(kind, "TOO_MANY_CONNECTIONS", words, retry_after=RETRY_AFTER)
        self._held[held] += 1
        try:
            yield
        finally:
            self._held[held] -= 1
            if not self._held[held]:
                del self._held[held]
