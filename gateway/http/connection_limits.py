"""Limits of open WebSockets or event streams: per process, per network address and per user."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.http.socket_settings import SocketSettings
from kit.errors import Failure, Kind
from kit.http.refusals import refused

# Seconds after which a refused client may try again.
RETRY_AFTER = 1.0


class ConnectionLimits:
    """Counts open connections of one kind and refuses those above a limit.

    `kind` names them in messages, such as `WebSockets`; `metric` in the count of refusals.
    """

    def __init__(self, kind: str, metric: str, settings: SocketSettings) -> None:
        self._kind = kind
        self._metric = metric
        self._max = {
            "process": settings.max_open,
            "address": settings.per_address,
            "user": settings.per_user,
        }
        self._open: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def open(self, address: str | None) -> Iterator[None]:
        """Count a connection of the process and of an address; raise Failure if there are too many.

        `address` is None for a proxy that stands for many clients: only the process counts then.
        """
        with self._one("process", ""):
            if address is None:
                yield
            else:
                with self._one("address", address):
                    yield

    @contextmanager
    def of_user(self, user: str) -> Iterator[None]:
        """Count a connection of a user; raise Failure EXHAUSTED if there are too many."""
        with self._one("user", user):
            yield

    @contextmanager
    def _one(self, scope: str, key: str) -> Iterator[None]:
        counter, limit = (scope, key), self._max[scope]
        if self._open[counter] >= limit:
            refused(f"{scope}_{self._metric}")
            holder = {"process": "This process", "address": "Your IP address"}
            message = (
                f"{holder.get(scope, 'This user')} already has {limit} open {self._kind}; close"
                " one, or try again later"
            )
            kind = Kind.UNAVAILABLE if scope == "process" else Kind.EXHAUSTED
            raise Failure(kind, "TOO_MANY_CONNECTIONS", message, retry_after=RETRY_AFTER)
        self._open[counter] += 1
        try:
            yield
        finally:
            self._open[counter] -= 1
            if not self._open[counter]:
                del self._open[counter]
